"""Feeds as the admin shows them."""

from datetime import UTC, datetime

import pytest

from brokers.feed_answers import FeedAnswers, FeedCounts
from brokers.feed_table import FeedRow, feed_rows
from marketdata.process_messages import FeedFigures

HELD = ("vm:12:abcd", True)
SINCE = datetime(2026, 11, 21, 17, tzinfo=UTC)


def figures(state: str) -> FeedFigures:
    return FeedFigures("binance", "vm:12", state, 3, 100, 5.0, 4.0, 0)


def row_of(
    switch: bool | None = None,
    holder: tuple[str, bool | None] = ("", None),
    *,
    state: str = "",
    configured: tuple[str, ...] = ("binance",),
) -> FeedRow:
    (row,) = feed_rows(
        [("binance", "Binance spot", False, switch, *holder, "live", SINCE, SINCE)],
        {"binance": figures(state)} if state else {},
        configured=configured,
        known=["binance"],
    )
    return row


@pytest.mark.parametrize(
    ("state", "level"),
    [
        ("live", "success"),
        ("idle", "success"),
        ("connecting", "warning"),
        ("lost", "danger"),
    ],
)
def test_feed_that_answers_shows_its_own_state(state: str, level: str) -> None:
    row = row_of(holder=HELD, state=state)

    assert (row.state, row.level, row.holder) == (state, level, "vm:12")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (row_of(), ("not running", "danger", True)),
        (row_of(switch=False), ("off", "", False)),
        (row_of(configured=()), ("off", "", False)),
        (row_of(switch=True, configured=()), ("not running", "danger", True)),
        (row_of(holder=HELD), ("no answer", "danger", True)),
        (row_of(holder=("vm:12:abcd", False)), ("not running", "danger", True)),
        (row_of(switch=False, state="live"), ("live, not enabled", "warning", False)),
    ],
)
def test_feed_without_an_answer_or_a_wish(
    row: FeedRow, expected: tuple[str, str, bool]
) -> None:
    assert (row.state, row.level, row.is_enabled) == expected


def test_feed_tells_since_when_or_until_when() -> None:
    same, other = row_of(state="live"), row_of(state="lost")
    gone = row_of()

    assert (same.since, same.live_until) == (SINCE, None)
    assert (other.since, other.live_until) == (None, None)
    assert (gone.since, gone.live_until) == (None, SINCE)


def test_brokers_without_a_program_are_left_out() -> None:
    rows = [("dukascopy", "Archive", False, None, "", None, None, None, None)]

    assert feed_rows(rows, {}, configured=["dukascopy"], known=["binance"]) == []


def test_source_that_is_no_broker_is_shown_without_a_switch() -> None:
    found = feed_rows([], {}, configured=["redis", "typo"], known=["redis"])

    assert [(row.broker, row.state, row.has_switch) for row in found] == [
        ("redis", "not running", False)
    ]


def test_figures_tell_rates_age_and_lag() -> None:
    answers = FeedAnswers("binance", None)
    for second in range(5):
        counts = FeedCounts("live", 7, records=10 * second, reconnects=1)
        answers.sample(counts, float(second))
    last = FeedCounts(
        "live", 7, 40, 1, stored=30, held=2, received_us=5_250_000, event_us=5_000_000
    )

    found = answers.figures(last, 7_250_000)

    assert (found.records_per_s, found.stored_per_s) == (10.0, 0.0)
    assert (found.age_s, found.lag_s, found.held) == (2.0, 0.25, 2)
    assert found.instruments == 7


def test_figures_before_the_first_record_have_no_age() -> None:
    found = FeedAnswers("binance", None).figures(FeedCounts("idle", 0, 0, 0), 1)

    assert (found.age_s, found.lag_s) == (None, None)
