"""What sessions get of the past, read on the reader's own connections."""

import asyncio

import pytest

from history import reader as reader_module
from history.candle_refresh import refresh_candles
from history.live_pages import LivePages
from history.reader import Plans, Reader
from marketdata.effects import Position
from marketdata.exceptions import HistoryUnavailable
from marketdata.models import Broker
from marketdata.numbering import pack
from marketdata.records import Kind, Side, Tick
from marketdata.resumption import NEVER_US
from marketdata.stored_records import FIRST_LIVE, Place, Span, Wanted
from marketdata.timeframes import PriceSide, Timeframe
from marketdata.topics import Topic
from tests.history.storage import (
    DAY_US,
    FAR_US,
    MINUTE_US,
    SECOND_US,
    T0_US,
    make_series,
    store,
    tick_columns,
    trade_columns,
)

pytestmark = pytest.mark.django_db(transaction=True)

TICKS = Topic(Kind.TICK, "dukascopy", "EURUSD")
TRADES = Topic(Kind.TRADE, "dukascopy", "EURUSD")
CANDLES = Topic(Kind.CANDLE, "dukascopy", "EURUSD", Timeframe.M1, PriceSide.MID)
ALL = Span(T0_US - 30 * DAY_US, T0_US + DAY_US)
NAN = float("nan")


def use(read):
    """Return what ``read(pages)`` gives, in a loop of its own."""

    async def main():
        reader = Reader(max_connections=2, timeout_s=2, plans=Plans.OF_EACH)
        try:
            return await read(LivePages(reader, max_queries=2))
        finally:
            await reader.close()

    return asyncio.run(main())


def ticks(*places):
    """Store a tick for each (seconds since T0, epoch, number)."""
    rows = [
        (T0_US + int(second * SECOND_US), pack(epoch, number), 1.1, 1.2, NAN, 2.0)
        for second, epoch, number in places
    ]
    return store(tick_columns(make_series(), rows))


def wanted(**changes):
    values = {
        "start_us": T0_US - DAY_US,
        "end_us": T0_US + DAY_US,
        "above": FIRST_LIVE - 1,
        "upto": pack(99, 0),
        "imported_us": T0_US - DAY_US,
        "limit": 100,
    }
    return Wanted(**(values | changes))


def page(**changes):
    rows = use(lambda pages: pages.page(TICKS, wanted(**changes)))
    return [
        ((row.record.time_us - T0_US) // SECOND_US, row.seq >> 32, row.seq & 0xFFFF)
        for row in rows
    ]


def find(epoch, number, near_us=None, within=ALL):
    return use(
        lambda pages: pages.find(
            TICKS, Position(epoch, number), within, near_us=near_us
        )
    )


def test_span_is_where_the_series_lies():
    ticks((5, 1, 1), (9, 1, 2))

    assert use(lambda pages: pages.span(TICKS)) == (
        T0_US + 5 * SECOND_US,
        T0_US + 9 * SECOND_US,
    )


def test_nothing_stored_is_none():
    make_series()

    assert use(lambda pages: pages.span(TICKS)) is None
    assert find(1, 1) is None
    assert use(lambda pages: pages.newest(TICKS, pack(9, 9))) is None
    assert page() == []


def test_page_has_whole_ticks():
    ticks((1, 1, 1))
    Broker.objects.update(is_simulated=True)

    (row,) = use(lambda pages: pages.page(TICKS, wanted()))

    assert row.seq == pack(1, 1)
    assert row.record == Tick(
        broker="dukascopy",
        symbol="EURUSD",
        time_us=T0_US + SECOND_US,
        received_us=T0_US + SECOND_US,
        simulated=True,
        bid=1.1,
        ask=1.2,
        bid_size=None,
        ask_size=2.0,
    )


def test_page_has_whole_trades():
    seq = pack(3, 2)
    columns = trade_columns(
        make_series(), [(T0_US, 77, pack(3, 1), 1.5, 2.0), (T0_US, seq, seq, 1.6, 1.0)]
    )
    store(columns)

    one, other = use(lambda pages: pages.page(TRADES, wanted()))

    assert (one.record.price, one.record.size, one.record.side) == (1.5, 2.0, Side.BUY)
    assert (one.record.trade_id, other.record.trade_id) == (77, None)
    assert (one.seq, other.seq) == (pack(3, 1), seq)


def test_page_is_in_order_of_time_and_seq_and_bounded_in_both():
    ticks((1, 5, 1), (3, 5, 2), (2, 5, 3), (3, 5, 4), (0, 6, 1), (4, 6, 2))

    assert page(above=pack(5, 1), upto=pack(6, 1)) == [
        (0, 6, 1),
        (2, 5, 3),
        (3, 5, 2),
        (3, 5, 4),
    ]
    assert page(start_us=T0_US + 2 * SECOND_US, end_us=T0_US + 3 * SECOND_US) == [
        (2, 5, 3),
        (3, 5, 2),
        (3, 5, 4),
    ]


def test_page_has_imported_rows_from_a_time_on():
    ticks((1, 0, 0), (2, 0, 0), (2, 0, 1), (2, 5, 1), (3, 0, 0))

    imported_us = T0_US + 2 * SECOND_US
    assert page(imported_us=imported_us, above=pack(5, 1)) == [
        (2, 0, 0),
        (2, 0, 1),
        (3, 0, 0),
    ]
    assert page(imported_us=NEVER_US) == [(2, 5, 1)]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_go_on_where_the_last_one_ended(limit):
    places = sorted((n // 3, 5, 10 - n) for n in range(10))
    ticks(*places)

    found, after = [], None
    while rows := use(
        lambda pages: pages.page(TICKS, wanted(limit=limit, after=after))  # noqa: B023
    ):
        found += [row.place for row in rows]
        after = found[-1]

    assert found == [
        Place(T0_US + second * SECOND_US, pack(epoch, number))
        for second, epoch, number in places
    ]


@pytest.mark.parametrize("near", [None, 2_000, 9_000])
def test_find_returns_the_row_whatever_the_client_says(near):
    ticks(*((number, 5, number) for number in range(1, 400)))
    near_us = near and T0_US + near * 1_000

    found = find(5, 2, near_us)

    assert found == Place(T0_US + 2 * SECOND_US, pack(5, 2))


def test_find_of_a_row_that_is_missing_returns_the_one_before_it():
    ticks((1, 5, 1), (2, 5, 2), (900, 5, 7))

    assert find(5, 6) == Place(T0_US + 2 * SECOND_US, pack(5, 2))


@pytest.mark.parametrize("epoch", [4, 6, 99])
def test_find_of_an_epoch_without_rows_is_none(epoch):
    ticks((1, 5, 1), (2, 5, 2), (900, 7, 1))

    assert find(epoch, 6) is None


def test_find_in_an_older_epoch_passes_over_newer_ones():
    ticks(*((n, 5, n) for n in range(1, 5)), *((n, 8, n) for n in range(10, 90)))

    assert find(5, 3) == Place(T0_US + 3 * SECOND_US, pack(5, 3))


def test_find_looks_no_further_back_than_it_may():
    ticks((1, 5, 1), (900, 5, 2))

    assert find(5, 1, within=Span(T0_US + 2 * SECOND_US, T0_US + DAY_US)) is None


def test_newest_is_the_one_with_the_highest_seq_up_to_one():
    ticks((1, 5, 1), (4, 5, 2), (2, 5, 3), (3, 6, 1), (9, 0, 0))

    found = use(lambda pages: pages.newest(TICKS, pack(5, 99)))

    assert (found.seq, found.record.time_us) == (pack(5, 3), T0_US + 2 * SECOND_US)


def test_candles_are_those_of_rest_and_final():
    ticks((0, 0, 0), (61, 0, 0), (200, 0, 0))
    refresh_candles(now_us=FAR_US)

    first, second = use(
        lambda pages: pages.candles(CANDLES, T0_US, T0_US + 2 * MINUTE_US, limit=10)
    )

    assert (first.time_us, second.time_us) == (T0_US, T0_US + MINUTE_US)
    assert first.is_final
    assert (first.open, first.ticks) == (1.15, 1)
    assert first.price_side is PriceSide.MID


def test_database_that_is_away_says_so(monkeypatch):
    monkeypatch.setattr(
        reader_module, "conninfo", lambda: "host=127.0.0.1 port=1 dbname=x"
    )

    with pytest.raises(HistoryUnavailable):
        use(lambda pages: pages.span(TICKS))


def test_no_database_says_so(settings):
    settings.DATABASE_URL = ""

    with pytest.raises(HistoryUnavailable, match="No database is configured"):
        use(lambda pages: pages.span(TICKS))
