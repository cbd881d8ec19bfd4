import math

import pytest

from brokers.exceptions import InvalidFeedSetting
from brokers.replay.options import Pace, ReplayOptions, parse_replay

S = 1_000_000
FROM_US = 1_704_153_600 * S
NOW_US = 1_790_000_000 * S
DAY = ("2024-01-02", "2024-01-03T01:00:00+01:00")


def options(**changes: object) -> ReplayOptions:
    values = {"from_us": FROM_US, "to_us": FROM_US + 60 * S, **changes}
    return ReplayOptions("oanda", frozenset(), **values)  # type: ignore[arg-type]


def pace(**changes: object) -> Pace:
    made = Pace(options(**changes), FROM_US)
    made.begin(100.0, NOW_US)
    return made


def test_parse_replay_reads_the_settings() -> None:
    found = parse_replay("OANDA", ["eur/usd"], DAY, "10", "stored")

    assert found == ReplayOptions(
        "oanda",
        frozenset({"EURUSD"}),
        FROM_US,
        FROM_US + 86_400 * S,
        10.0,
        keeps_times=True,
    )
    assert parse_replay("oanda", [], DAY, "MAX", "now").speed == math.inf


@pytest.mark.parametrize("speed", ["", "0", "-1", "nan", "inf", "fast"])
def test_parse_replay_of_another_speed_raises(speed: str) -> None:
    with pytest.raises(InvalidFeedSetting, match="REPLAY_SPEED: expected 1, 10, 0.5"):
        parse_replay("oanda", [], DAY, speed, "now")


def test_parse_replay_of_no_symbol_raises() -> None:
    with pytest.raises(InvalidFeedSetting, match="REPLAY_SYMBOLS"):
        parse_replay("oanda", ["EUR USD"], DAY, "1", "now")


@pytest.mark.parametrize(("speed", "due_s"), [(1.0, 2), (10.0, 20), (0.5, 1)])
def test_due_rises_with_the_speed(speed: float, due_s: int) -> None:
    assert pace(speed=speed).due_us(102.0) == FROM_US + due_s * S


def test_wait_is_in_real_seconds() -> None:
    assert pace(speed=10.0).wait_s(100.0, FROM_US + 20 * S) == pytest.approx(2.0)
    assert pace(speed=10.0).wait_s(105.0, FROM_US + 20 * S) == 0.0
    assert pace(speed=math.inf).wait_s(100.0, FROM_US + 20 * S) == 0.0


def test_shown_times_are_those_at_which_records_come_or_those_stored() -> None:
    time_us = FROM_US + 20 * S

    assert pace(speed=10.0).shown_us(time_us, NOW_US) == NOW_US + 2 * S
    assert pace(speed=math.inf).shown_us(time_us, NOW_US + 5) == NOW_US + 5
    assert pace(speed=10.0, keeps_times=True).shown_us(time_us, NOW_US) == time_us


def test_skip_lag_goes_on_from_what_was_reached() -> None:
    late = pace(speed=10.0)

    late.skip_lag(103.0, FROM_US)

    assert late.due_us(103.0) == FROM_US + 10 * S
    assert late.shown_us(FROM_US, NOW_US) == NOW_US + 2 * S
    late.skip_lag(103.0, FROM_US)
    assert late.due_us(103.0) == FROM_US + 10 * S
