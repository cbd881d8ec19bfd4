"""Candles and tickers of a feed, with the real recorder, database and REST's query."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import django.db
import pytest
from django.db import connections

from brokers import live_topics as module
from brokers.bucket_store import BucketStore
from brokers.demand import Change
from brokers.live_topics import LiveOptions, LiveTopics
from history.candle_range import CandleRange
from history.candle_refresh import refresh_candles
from history.recorder import Recorder
from marketdata.candle_building import RECORD_TYPES
from marketdata.publisher import Publisher
from marketdata.records import Candle, Kind, Record, Tick, Ticker, Trade
from marketdata.timeframes import PriceSide, Timeframe
from marketdata.topics import Topic
from tests.brokers.fakes import FakeLayer
from tests.history.reads import select_candles
from tests.history.storage import (
    DAY_US,
    FAR_US,
    HOUR_US,
    MINUTE_US,
    SECOND_US,
    T0_US,
    make_series,
    random_ticks,
    store,
)
from tests.marketdata.polling import until

NOON_US = T0_US + 12 * HOUR_US
TIMEFRAMES = (
    Timeframe.M1,
    Timeframe.M5,
    Timeframe.M15,
    Timeframe.H1,
    Timeframe.H4,
    Timeframe.H12,
    Timeframe.D1,
)


def topic(timeframe: Timeframe, side: PriceSide, symbol: str = "EURUSD") -> Topic:
    return Topic(Kind.CANDLE, "oanda", symbol, timeframe, side)


M1_MID = topic(Timeframe.M1, PriceSide.MID)


def tick(time_us: int, bid: float, symbol: str = "EURUSD") -> Tick:
    return Tick(
        broker="oanda",
        symbol=symbol,
        time_us=time_us,
        received_us=time_us,
        bid=bid,
        ask=bid + 0.25,
        bid_size=1.5,
        ask_size=None,
    )


def trade(time_us: int, price: float, trade_id: int) -> Trade:
    return Trade(
        broker="oanda",
        symbol="EURUSD",
        time_us=time_us,
        received_us=time_us,
        price=price,
        size=0.5,
        trade_id=trade_id,
    )


class Rig:
    """A feed's outputs, with a clock that is moved by hand."""

    def __init__(self, *, records: bool = True, **options: float) -> None:
        self.layer = FakeLayer()
        self.recorder = Recorder(flush_s=0.02, flush_rows=50, max_rows=100_000)
        self.publisher = Publisher(
            self.layer, 200_000_000, stored_numbers=self.recorder.stored_numbers
        )
        self.now_us = NOON_US
        self.live = LiveTopics(
            self.publisher,
            BucketStore("oanda", self.recorder) if records else None,
            LiveOptions(**{"revision_s": 0.02, **options}),
            now_us=lambda: self.now_us,
        )
        self._records = records
        self._task = asyncio.create_task(self.live.run())

    def emit(self, *records: Record) -> None:
        """Do what the runner does with records."""
        numbers = self.publisher.publish(records)
        if self._records:
            for record, number in zip(records, numbers, strict=True):
                self.recorder.append(record, self.publisher.epoch, number)
        self.live.take(records, numbers)

    async def follow(self, *topics: Topic) -> None:
        """Demand topics, and return when they are ready."""
        ready = []
        self.live.change(Change(added=topics))
        for item in topics:
            self.live.when_ready(item, lambda: ready.append(1))
        await until(lambda: len(ready) == len(topics))

    def told(self, kind: type = Candle) -> list[Any]:
        return [record for *_, record in self.layer.published if type(record) is kind]

    def newest(self) -> dict[Topic, Candle]:
        """Return the last candle published of each topic and bucket."""
        return {
            (item.timeframe, item.price_side, item.time_us): item
            for item in self.told()
        }

    async def until_stored(self) -> None:
        await until(lambda: self.recorder.held == 0)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.publisher.drain()
        await self.recorder.drain()


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.001)


@pytest.fixture
async def live() -> AsyncIterator[Rig]:
    """Outputs without a store."""
    rig = Rig(records=False)
    yield rig
    await rig.close()


@pytest.fixture
def series(transactional_db: None) -> Iterator[int]:
    """The series of EURUSD from oanda, committed."""
    yield make_series("EURUSD", "oanda")
    connections.close_all()


@pytest.fixture
async def rig(series: int) -> AsyncIterator[Rig]:
    """Outputs with a recorder on the real database."""
    rig = Rig(reread_s=3_600.0)
    yield rig
    await rig.close()


def in_thread(work: Any, *args: Any, **options: Any) -> Any:
    def run() -> Any:
        try:
            return work(*args, **options)
        finally:
            connections.close_all()

    return asyncio.to_thread(run)


async def test_without_a_store_a_candle_begins_empty(live: Rig) -> None:
    await live.follow(M1_MID)
    assert live.told() == []

    live.emit(tick(NOON_US, 1.0), tick(NOON_US + 1, 2.0))
    await until(lambda: len(live.told()) == 1)
    live.now_us += MINUTE_US + SECOND_US
    await until(lambda: len(live.told()) == 2)

    first, final = live.told()
    assert (first.open, first.close, first.ticks) == (1.125, 2.125, 2)
    assert (first.is_final, final.is_final) == (False, True)


async def test_topics_that_are_followed_no_more_are_not_computed(live: Rig) -> None:
    other = topic(Timeframe.M5, PriceSide.BID)
    await live.follow(M1_MID, other)
    live.live.change(Change(removed=(M1_MID,)))

    live.emit(tick(NOON_US, 1.0))
    await until(lambda: live.told())

    assert {item.timeframe for item in live.told()} == {Timeframe.M5}


async def test_topics_of_other_kinds_are_ready_at_once(live: Rig) -> None:
    ticks = Topic(Kind.TICK, "oanda", "EURUSD")

    await live.follow(ticks)
    live.emit(tick(NOON_US, 1.0))

    assert live.live._lines == {}


async def test_candles_of_one_symbol_do_not_count_another(live: Rig) -> None:
    await live.follow(M1_MID)

    live.emit(tick(NOON_US, 5.0, "GBPUSD"), tick(NOON_US, 1.0))
    await until(lambda: live.told())

    assert (live.told()[0].symbol, live.told()[0].ticks) == ("EURUSD", 1)


async def test_first_candle_goes_on_from_the_store_and_precedes_the_answer(
    rig: Rig,
) -> None:
    rig.emit(*(tick(NOON_US + n, float(n)) for n in range(1, 4)))
    await rig.until_stored()
    rig.emit(tick(NOON_US + 4, 4.0))

    answers = []
    rig.live.change(Change(added=(M1_MID,)))
    rig.live.when_ready(M1_MID, lambda: answers.append(rig.publisher.last(M1_MID)))
    await until(lambda: answers)

    (candle,) = answers
    assert (candle.open, candle.high, candle.low, candle.close) == (
        1.125, 4.125, 1.125, 4.125,
    )  # fmt: skip
    assert (candle.ticks, candle.volume, candle.is_final) == (4, 6.0, False)


async def test_first_candle_of_a_quiet_bucket_is_the_last_that_is_over(
    rig: Rig, series: int
) -> None:
    rig.emit(tick(NOON_US - MINUTE_US, 1.0))
    await rig.until_stored()

    await rig.follow(M1_MID)
    await until(lambda: rig.told())

    (candle,) = rig.told()
    assert (candle.time_us, candle.is_final) == (NOON_US - MINUTE_US, True)


async def test_database_away_at_the_first_demand_begins_empty_and_heals(
    rig: Rig, series: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.emit(tick(NOON_US, 1.0))
    await rig.until_stored()
    is_away = True
    read = BucketStore.read

    async def read_or_fail(*args: Any) -> Any:
        if is_away:
            raise django.db.OperationalError("away")
        return await read(*args)

    monkeypatch.setattr(BucketStore, "read", read_or_fail)
    await rig.follow(M1_MID)
    rig.emit(tick(NOON_US + 1, 2.0))
    await until(lambda: [item.ticks for item in rig.told()] == [1])

    is_away = False
    rig.now_us += 2 * SECOND_US

    await until(lambda: rig.told()[-1].ticks == 2)


async def rest(series: int, item: Topic, now_us: int) -> dict[int, tuple[Any, ...]]:
    """Return what REST answers of the last two buckets."""
    length_us = item.timeframe.length_s * SECOND_US
    wanted = CandleRange(
        item.timeframe, item.price_side, now_us - 2 * length_us, now_us + length_us
    )
    rows = await in_thread(select_candles, series, wanted, now_us)
    return {row.time_us: figures(row) for row in rows}


def figures(item: Any) -> tuple[Any, ...]:
    return (
        item.open,
        item.high,
        item.low,
        item.close,
        pytest.approx(item.volume, rel=1e-9),
        item.ticks,
    )


@pytest.mark.parametrize("seed", range(3))
async def test_candles_are_always_what_rest_says(
    rig: Rig, series: int, seed: int
) -> None:
    rng = random.Random(seed)
    topics = [topic(each, side) for each in TIMEFRAMES for side in PriceSide]
    await in_thread(
        store, random_ticks(series, NOON_US - 2 * DAY_US, NOON_US, 500), due_us=0
    )
    await in_thread(refresh_candles, now_us=FAR_US)
    rig.now_us = NOON_US + rng.randrange(60) * MINUTE_US
    numbers = count(1)

    def some_records() -> list[Record]:
        times = [
            # Late ones and ties, too.
            rig.now_us - rng.choice((0, 0, 0, 1, 5 * SECOND_US, 90 * SECOND_US))
            for _ in range(rng.randrange(1, 9))
        ]
        return [
            tick(time_us, rng.randrange(1, 40) / 4)
            if rng.random() < 0.6
            else trade(time_us, rng.randrange(1, 40) / 4, next(numbers))
            for time_us in times
        ]

    for step in range(60):
        rig.emit(*some_records())
        if step == 20:
            rig.live.change(Change(added=tuple(topics)))
        if rng.random() < 0.3:
            await asyncio.sleep(rng.choice((0, 0.005, 0.03)))
        if rng.random() < 0.1:
            await in_thread(refresh_candles, now_us=rig.now_us)
        rig.now_us += rng.choice((0, SECOND_US, 7 * SECOND_US))
    await rig.until_stored()
    rig.now_us += 3 * SECOND_US
    await until(lambda: not rig.live._starting)
    for _ in range(20):  # looks, so that all that changed was published
        await asyncio.sleep(0.002)
        rig.now_us += SECOND_US // 10
    await asyncio.sleep(0.01)

    newest = rig.newest()
    for item in topics:
        expected = await rest(series, item, rig.now_us)
        assert expected
        found = {
            start_us: figures(candle)
            for (timeframe, side, start_us), candle in newest.items()
            if (timeframe, side) == (item.timeframe, item.price_side)
        }
        open_us = item.timeframe.floor_us(rig.now_us)
        assert open_us in found or open_us not in expected
        assert {k: v for k, v in found.items() if k in expected} == {
            k: v for k, v in expected.items() if k in found
        }
        revs = {}
        for candle in rig.told():
            key = candle.timeframe, candle.price_side, candle.time_us
            before = revs.get(key)
            if before is not None and before.is_final and before != candle:
                assert candle.is_final
                assert candle.rev > before.rev
            revs[key] = candle


async def test_import_into_closed_candles_is_published_with_a_higher_rev(
    rig: Rig, series: int
) -> None:
    rig.emit(tick(NOON_US, 1.0))
    await rig.follow(M1_MID)
    await rig.until_stored()
    rig.now_us += 3 * MINUTE_US + SECOND_US
    rig.emit(tick(rig.now_us, 1.0))
    await until(lambda: len(rig.told()) == 3)
    await rig.until_stored()
    await in_thread(refresh_candles, now_us=FAR_US)

    imported = random_ticks(series, NOON_US, NOON_US + MINUTE_US, 5, seed=3)
    await in_thread(store, imported)
    await in_thread(refresh_candles, now_us=FAR_US)
    rig.now_us += 2 * SECOND_US

    await until(lambda: rig.newest()[Timeframe.M1, PriceSide.MID, NOON_US].ticks == 6)
    corrected = rig.newest()[Timeframe.M1, PriceSide.MID, NOON_US]
    assert (corrected.is_final, corrected.rev > 0) == (True, True)
    expected = await rest(series, M1_MID, NOON_US + MINUTE_US)
    assert figures(corrected) == expected[NOON_US]


async def test_series_that_is_not_recorded_keeps_its_candles(
    transactional_db: None,
) -> None:
    await in_thread(make_series, "EURUSD", "oanda", record=False)
    rig = Rig(reread_s=0.0)
    try:
        await rig.follow(M1_MID)
        rig.emit(tick(NOON_US, 1.0))
        await until(lambda: rig.told())
        await rig.until_stored()
        await asyncio.sleep(0.1)  # several times the interval of reading anew
        rig.now_us += 2 * SECOND_US
        rig.emit(tick(NOON_US + 1, 2.0))
        await until(lambda: len(rig.told()) == 2)

        assert [item.ticks for item in rig.told()] == [1, 2]
    finally:
        await rig.close()


async def test_rereading_changes_nothing_that_is_right(
    series: int,
) -> None:
    rig = Rig(reread_s=0.0)
    try:
        await rig.follow(*(topic(each, PriceSide.BID) for each in TIMEFRAMES))
        for number in range(100):
            rig.emit(tick(NOON_US + number, float(number)))
            await asyncio.sleep(0.003)
        rig.now_us += 2 * SECOND_US
        await until(lambda: {item.close for item in rig.newest().values()} == {99.0})

        assert {item.ticks for item in rig.newest().values()} == {100}
        assert len(rig.told()) <= 2 * len(TIMEFRAMES)
    finally:
        await rig.close()


async def test_ticker_is_of_the_stored_day_and_what_came_since(
    rig: Rig, series: int
) -> None:
    rig.emit(
        trade(NOON_US - 25 * HOUR_US, 99.0, 1),
        trade(NOON_US - 23 * HOUR_US, 10.0, 2),
        trade(NOON_US - HOUR_US, 30.0, 3),
    )
    await rig.until_stored()
    await in_thread(refresh_candles, now_us=FAR_US)
    rig.emit(trade(NOON_US - 1, 20.0, 4))

    await rig.follow(Topic(Kind.TICKER, "oanda", "EURUSD"))
    await until(lambda: rig.told(Ticker))
    rig.emit(trade(NOON_US, 5.0, 5))
    rig.now_us += SECOND_US
    await until(lambda: len(rig.told(Ticker)) == 2)

    first, second = rig.told(Ticker)
    assert (first.open, first.high, first.low, first.last, first.volume) == (
        10.0, 30.0, 10.0, 20.0, 1.5,
    )  # fmt: skip
    assert (second.low, second.last, second.volume) == (5.0, 5.0, 2.0)


def test_every_side_has_its_records() -> None:
    assert set(RECORD_TYPES) == set(PriceSide)
