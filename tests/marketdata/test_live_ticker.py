"""Rolling 24-hour figures."""

import random

import pytest

from marketdata.candle_building import RECORD_TYPES, StoredBucket
from marketdata.live_ticker import MINUTES, LiveTicker
from marketdata.records import Kind, Ticker
from marketdata.timeframes import PriceSide
from marketdata.topics import Topic
from tests.history.storage import T0_US
from tests.marketdata.test_candle_building import tick, trade

S = 1_000_000
MINUTE = 60 * S
DAY = 1_440 * MINUTE
TOPIC = Topic(Kind.TICKER, "oanda", "EURUSD")


def live(now_us: int = T0_US) -> LiveTicker:
    return LiveTicker(TOPIC, now_us, is_simulated=False)


def minute(start_us: int, price: float, volume: float = 1.0) -> StoredBucket:
    """Return a minute that went from the price up by 2, down by 1, and closed 1 up."""
    return StoredBucket(
        start_us, price, price + 2, price - 1, price + 1, volume, 5, 0,
        (start_us, 0), (start_us + 59 * S, 0),
    )  # fmt: skip


def load(
    ticker: LiveTicker, now_us: int, side: PriceSide, *items: StoredBucket
) -> None:
    for read in ticker.reads(now_us, is_whole=True):
        if read.price_side is side:
            ticker.load(read, items, [])


def figures(ticker: Ticker) -> tuple[float, ...]:
    return ticker.open, ticker.high, ticker.low, ticker.last, ticker.volume


def test_due_is_made_of_trades_where_there_are_some() -> None:
    ticker = live()
    load(ticker, T0_US, PriceSide.MID, minute(T0_US - MINUTE, 50.0))
    load(
        ticker,
        T0_US,
        PriceSide.TRADE,
        minute(T0_US - 2 * MINUTE, 10.0, 3.0),
        minute(T0_US - MINUTE, 12.0, 4.0),
    )
    ticker.add(tick(T0_US, 40.0), 1)
    ticker.add(trade(T0_US, 11.0, 0.5), 1)

    (found,) = ticker.due(T0_US)

    assert figures(found) == (10.0, 14.0, 9.0, 11.0, 7.5)
    traded = 3 * (12 + 9 + 11) / 3 + 4 * (14 + 11 + 13) / 3 + 0.5 * 11
    assert found.quote_volume == pytest.approx(traded, rel=1e-12)
    assert (found.time_us, found.received_us) == (T0_US, T0_US)


def test_due_without_trades_is_made_of_mids_with_volume_0() -> None:
    ticker = live()
    load(ticker, T0_US, PriceSide.MID, minute(T0_US - MINUTE, 10.0))
    ticker.add(tick(T0_US, 19.0), 1)

    (found,) = ticker.due(T0_US)

    assert figures(found) == (10.0, 20.0, 9.0, 20.0, 0.0)
    assert found.quote_volume == 0.0


def test_due_without_prices_gives_nothing() -> None:
    assert live().due(T0_US) == []


def test_due_comes_at_most_once_a_second_and_only_if_it_changed() -> None:
    ticker = live()
    published = []
    for tenth in range(60):
        now_us = T0_US + tenth * S // 10
        if tenth < 25:
            ticker.add(trade(now_us, float(tenth)), tenth)
        published += [(tenth, item.last) for item in ticker.due(now_us)]

    assert published == [(0, 0.0), (10, 10.0), (20, 20.0), (30, 24.0)]


def test_due_what_is_older_than_a_day_leaves() -> None:
    ticker = live()
    load(
        ticker,
        T0_US,
        PriceSide.TRADE,
        minute(T0_US - DAY + MINUTE, 100.0, 2.0),
        minute(T0_US - MINUTE, 10.0, 3.0),
    )
    (before,) = ticker.due(T0_US + 59 * S)
    (after,) = ticker.due(T0_US + MINUTE)

    assert figures(before) == (100.0, 102.0, 9.0, 11.0, 5.0)
    assert figures(after) == (10.0, 12.0, 9.0, 11.0, 3.0)


def test_due_late_record_changes_its_minute() -> None:
    ticker = live()
    load(ticker, T0_US, PriceSide.TRADE, minute(T0_US - MINUTE, 10.0, 3.0))
    ticker.due(T0_US)
    ticker.add(trade(T0_US - 2 * S, 20.0, 1.0), 1)

    (found,) = ticker.due(T0_US + S)

    assert figures(found) == (10.0, 20.0, 9.0, 11.0, 4.0)


def test_due_nothing_once_the_broker_sends_its_own() -> None:
    ticker = live()
    ticker.add(trade(T0_US, 10.0), 1)
    own = Ticker(
        broker="oanda", symbol="EURUSD", time_us=T0_US, received_us=T0_US, last=1.0,
        open=1.0, high=1.0, low=1.0, volume=1.0,
    )  # fmt: skip
    ticker.add(own, 1)

    assert ticker.due(T0_US) == []


def test_newest_is_the_ticker_of_now_and_is_not_published_again() -> None:
    ticker = live()
    assert ticker.newest(T0_US) is None
    ticker.add(trade(T0_US, 10.0), 1)

    found = ticker.newest(T0_US)

    assert found is not None
    assert found.last == 10.0
    assert ticker.due(T0_US + 2 * S) == []


def test_reads_are_the_whole_day_only_when_asked() -> None:
    now_us = T0_US + 7 * S

    (whole, _), (end, _) = (
        live(now_us).reads(now_us, is_whole=is_whole) for is_whole in (True, False)
    )

    assert whole.from_us == T0_US - MINUTES * MINUTE
    assert end.from_us == T0_US - 10 * MINUTE


def test_load_of_the_end_keeps_the_rest_of_the_day() -> None:
    ticker = live()
    load(ticker, T0_US, PriceSide.TRADE, minute(T0_US - 60 * MINUTE, 10.0, 3.0))
    read = ticker.reads(T0_US, is_whole=False)[0]
    assert read.price_side is PriceSide.TRADE

    ticker.load(read, [minute(T0_US - MINUTE, 11.0, 4.0)], [])

    assert figures(ticker.due(T0_US)[0]) == (10.0, 13.0, 9.0, 12.0, 7.0)


def test_due_over_two_days_is_what_the_minutes_say() -> None:
    rng = random.Random(7)
    ticker, minutes = live(), {}
    now_us = T0_US
    for number in range(2_000):
        now_us += rng.choice((1, 30, 120)) * S
        price, size = rng.randint(1, 1_000) / 4, rng.randint(1, 9) / 8
        time_us = now_us - rng.choice((0, 0, 0, 90)) * S
        if time_us < T0_US:
            continue
        ticker.add(trade(time_us, price, size), number)
        minutes.setdefault(time_us // MINUTE, []).append((time_us, number, price, size))
        found = ticker.due(now_us)
        if found and number % 50 == 0:
            first = now_us // MINUTE - MINUTES + 1
            rows = sorted(
                row for key, rows in minutes.items() if key >= first for row in rows
            )
            prices = [row[2] for row in rows]
            assert figures(found[0])[:4] == (
                prices[0], max(prices), min(prices), prices[-1],
            )  # fmt: skip
            assert found[0].volume == pytest.approx(sum(row[3] for row in rows))


def test_record_types_are_those_that_it_takes() -> None:
    assert set(live().record_types) == {*RECORD_TYPES.values(), Ticker}
