"""Queries of bars and their table."""

import numpy as np
import pytest

from history.candle_range import CandleRange
from history.exceptions import InvalidQuery
from history.udf_bars import (
    MAX_BARS,
    BarQuery,
    bars_body,
    candle_range,
    no_data_body,
    parse_bar_query,
)
from history.udf_markets import market_of
from marketdata.catalog import InstrumentType
from marketdata.timeframes import PriceSide, Timeframe

T0 = 1_704_153_600  # 2024-01-02T00:00:00Z, a Tuesday
T0_US = T0 * 1_000_000
NOW_US = T0_US + 500_000
FOREX = market_of(InstrumentType.FOREX)
HOURS = CandleRange(Timeframe.H1, PriceSide.MID, 0, T0_US)
DAYS = CandleRange(Timeframe.D1, PriceSide.MID, 0, T0_US, align=FOREX.align)


def parse(**parameters: object) -> BarQuery:
    texts = {name: str(value) for name, value in parameters.items()}
    return parse_bar_query({"resolution": "60", **texts}, now_us=NOW_US)


def details(**parameters: object) -> list[dict[str, str]]:
    with pytest.raises(InvalidQuery) as caught:
        parse(**parameters)
    return caught.value.details


@pytest.mark.parametrize(
    ("resolution", "timeframe"),
    [
        ("1S", "1s"),
        ("S", "1s"),
        ("1", "1m"),
        ("5", "5m"),
        ("15", "15m"),
        ("30", "30m"),
        ("60", "1h"),
        ("240", "4h"),
        ("720", "12h"),
        ("D", "1d"),
        ("1D", "1d"),
        ("1d", "1d"),
        ("W", "1w"),
        ("1W", "1w"),
    ],
)
def test_parse_bar_query_knows_the_resolutions(resolution, timeframe):
    query = parse(resolution=resolution, countback=2)

    assert query.timeframe is Timeframe(timeframe)


def test_parse_bar_query_prefers_countback_to_from():
    query = parse(**{"from": T0 - 60, "to": T0, "countback": 300})

    assert query == BarQuery(Timeframe.H1, 0, T0_US, 300)


def test_parse_bar_query_without_countback_takes_the_range():
    query = parse(**{"from": T0 - 60, "to": T0})

    assert query == BarQuery(Timeframe.H1, T0_US - 60_000_000, T0_US, MAX_BARS)


def test_parse_bar_query_with_a_range_from_before_1970_begins_then():
    assert parse(**{"from": -86_400, "to": T0}).from_us == 0
    assert parse(to=-5, countback=2).to_us == 1


def test_parse_bar_query_without_to_includes_the_open_bar():
    assert parse(countback=2).to_us > NOW_US


def test_parse_bar_query_with_more_than_can_be_had_gives_the_most():
    assert parse(countback=200_000).limit == MAX_BARS


def test_parse_bar_query_names_every_field_that_is_wrong():
    found = details(resolution="7", to="soon", countback="0")

    assert [item["field"] for item in found] == ["resolution", "countback", "to"]
    assert found[0]["message"] == (
        "expected one of 1S, 1, 5, 15, 30, 60, 240, 720, 1D, 1W"
    )


def test_parse_bar_query_without_countback_needs_from():
    assert [item["field"] for item in details(to=T0)] == ["from"]


def test_parse_bar_query_refuses_milliseconds():
    (found,) = details(to=T0 * 1000, countback=1)

    assert "divide milliseconds by 1000" in found["message"]


def test_parse_bar_query_refuses_a_long_range_of_seconds():
    """For it would be cut to its last day, and the client would not know."""
    day = {"resolution": "1S", "from": T0 - 86_400}

    assert parse(**day, to=T0).timeframe is Timeframe.S1
    assert details(**day, to=T0 + 1) == [
        {"field": "from", "message": "a range of 1S bars cannot exceed 1 day"}
    ]


def test_candle_range_leaves_the_end_out_and_takes_the_last():
    wanted = candle_range(parse(to=T0, countback=3), FOREX, PriceSide.BID)

    assert wanted == CandleRange(
        Timeframe.H1, PriceSide.BID, 0, T0_US - 1, limit=3, takes_last=True
    )


def test_candle_range_of_days_is_aligned_to_the_session():
    query = parse(resolution="D", to=T0, countback=3)

    assert candle_range(query, FOREX, PriceSide.MID).align == FOREX.align


def test_bars_body_is_a_table_with_rounded_prices():
    prices = [np.array([1.1000249999, 1.2])] * 4
    times = np.array([T0_US, T0_US + 3_600_000_000])

    body = bars_body([times, *prices, np.array([2.5, 3.0])], HOURS, 5)

    assert list(body) == ["s", "t", "o", "h", "l", "c", "v"]
    assert body["s"] == "ok"
    assert body["t"] == [T0, T0 + 3600]
    assert body["c"] == [1.100025, 1.2]
    assert body["v"] == [2.5, 3.0]


def test_bars_body_labels_days_by_the_trading_day():
    start_us = T0_US - 2 * 3_600_000_000  # 17:00 in New York, the evening before
    columns = [np.array([start_us]), *[np.array([1.0])] * 5]

    assert bars_body(columns, DAYS, 5)["t"] == [T0]


def test_no_data_body_names_the_last_bar_before():
    start_us = T0_US - 2 * 3_600_000_000

    assert no_data_body([np.array([start_us])], HOURS) == {
        "s": "no_data",
        "nextTime": T0 - 7200,
    }
    assert no_data_body([np.array([start_us])], DAYS)["nextTime"] == T0


def test_no_data_body_without_older_bars_says_so():
    assert no_data_body([np.empty(0)], HOURS) == {"s": "no_data"}
    assert no_data_body([np.empty(0)], DAYS) == {"s": "no_data"}
