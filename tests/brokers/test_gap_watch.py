import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import django.db
import pytest
from msgspec import structs

from brokers import gap_keeping
from brokers import gap_watch as module
from brokers.connection import FeedState
from brokers.exceptions import LeaseLost
from brokers.feed import FollowedInstrument, Key, UpstreamGap
from brokers.gap_keeping import GapKeeper
from brokers.gap_watch import GapWatch
from history.feed_gaps import FeedGapRow
from marketdata.catalog import InstrumentType
from marketdata.layer_messages import ToldGap
from marketdata.publisher import Publisher
from marketdata.records import Kind
from tests.brokers.fakes import FakeLayer, book, tick
from tests.marketdata.polling import until
from tests.marketdata.samples import BOOK

NOW_US = 1_704_153_600_000_000
GAP = UpstreamGap("EURUSD", Kind.TRADE, 3, None, "numbers skipped")


class FakeStore:
    """Keeps gaps; can be away."""

    def __init__(self, ends: Mapping[Key, int]) -> None:
        self.known = ends
        self.gaps: list[FeedGapRow] = []
        self.is_away = False
        self.is_superseded = False

    async def ends(self) -> Mapping[Key, int]:
        self._check()
        return self.known

    async def live_until(self) -> int | None:
        self._check()
        return None

    async def store(self, gaps: Sequence[FeedGapRow]) -> int:
        self._check()
        self.gaps += gaps
        return len(gaps)

    def _check(self) -> None:
        if self.is_away:
            raise django.db.OperationalError("away")
        if self.is_superseded:
            raise LeaseLost("fake")


class Rig:
    """A watch with fakes; its clock stands still."""

    def __init__(self, ends: Mapping[Key, int] | None = None) -> None:
        self.layer = FakeLayer()
        self.store = FakeStore(ends or {})
        self.publisher = Publisher(self.layer, 7)
        self.now_us = NOW_US
        self.keeper = GapKeeper("fake", self.store)
        self.watch = GapWatch(
            "fake",
            self.publisher,
            self.layer,
            self.store,
            self.keeper,
            now_us=lambda: self.now_us,
        )
        eur = FollowedInstrument("EURUSD", "EURUSD", 5)
        self.watch.followed = lambda: [eur]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.watch.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often."""
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    monkeypatch.setattr(gap_keeping, "LOOK_S", 0.01)


def told(rig: Rig) -> Callable[[], bool]:
    return lambda: bool(rig.layer.gaps)


async def test_gap_since_an_earlier_process_is_told_and_stored() -> None:
    rig = Rig({(Kind.TICK, "EURUSD"): NOW_US - 9})
    await rig.watch.prepare()
    rig.watch.enter(FeedState.LIVE)

    rig.watch.take([tick(time_us=NOW_US)])
    async with rig.running():
        await until(lambda: rig.store.gaps)

    assert rig.layer.gaps == [
        ToldGap(Kind.TICK, "EURUSD", NOW_US - 9, NOW_US, "feed not running")
    ]
    assert rig.store.gaps == [
        FeedGapRow("EURUSD", Kind.TICK, NOW_US - 9, NOW_US, "feed not running")
    ]
    assert not rig.watch.is_open


async def test_gap_of_an_order_book_is_told() -> None:
    rig = Rig()
    before, behind = (
        structs.replace(BOOK, symbol="EURUSD", time_us=NOW_US + second)
        for second in (0, 5)
    )
    rig.watch.enter(FeedState.LIVE)
    rig.publisher.publish([before])
    rig.watch.enter(FeedState.LOST)
    rig.watch.enter(FeedState.LIVE)

    rig.watch.take([behind])
    async with rig.running():
        await until(told(rig))

    assert rig.layer.gaps == [
        ToldGap(Kind.ORDERBOOK, "EURUSD", NOW_US, NOW_US + 5, "connection lost")
    ]
    assert not rig.store.gaps
    await rig.publisher.drain()


async def test_gap_of_a_quiet_topic_is_told_some_seconds_later() -> None:
    rig = Rig()
    rig.watch.enter(FeedState.LIVE)
    rig.publisher.publish([tick(time_us=NOW_US - 5)])
    rig.watch.enter(FeedState.LOST)
    rig.watch.enter(FeedState.CONNECTING)
    rig.watch.enter(FeedState.LIVE)

    async with rig.running():
        await asyncio.sleep(0.03)
        assert rig.layer.gaps == []
        rig.now_us += 10_000_000
        await until(told(rig))

    (gap,) = rig.layer.gaps
    assert (gap.from_us, gap.to_us, gap.reason) == (
        NOW_US - 5,
        NOW_US,
        "connection lost",
    )
    await rig.publisher.drain()


async def test_feed_that_has_nothing_to_follow_misses_nothing() -> None:
    rig = Rig()
    rig.watch.enter(FeedState.LIVE)
    rig.publisher.publish([tick()])

    rig.watch.enter(FeedState.IDLE)

    assert not rig.watch.is_open
    await rig.publisher.drain()


async def test_what_was_not_followed_when_the_connection_was_lost_has_no_gap() -> None:
    rig = Rig()
    rig.watch.enter(FeedState.LIVE)
    rig.publisher.publish([tick(symbol="GBPUSD", time_us=NOW_US - 5)])

    rig.watch.enter(FeedState.LOST)

    assert not rig.watch.is_open
    await rig.publisher.drain()


async def test_gap_that_the_feed_tells_is_told_once() -> None:
    rig = Rig()

    rig.watch.tell(GAP)
    rig.watch.tell(GAP)
    async with rig.running():
        await until(lambda: rig.store.gaps)

    assert rig.layer.gaps == [ToldGap(Kind.TRADE, "EURUSD", 3, None, "numbers skipped")]
    assert [(gap.from_us, gap.to_us) for gap in rig.store.gaps] == [(3, NOW_US)]


async def test_gap_of_books_or_without_beginning_is_told_and_not_stored() -> None:
    rig = Rig()

    rig.watch.tell(UpstreamGap("EURUSD", Kind.ORDERBOOK, 3, 9, "numbers skipped"))
    rig.watch.tell(UpstreamGap("EURUSD", Kind.TICK, None, 9, "numbers skipped"))
    async with rig.running():
        await until(lambda: len(rig.layer.gaps) == 2)

    assert rig.store.gaps == []
    assert await rig.watch.drain()


async def test_gap_waits_while_redis_or_the_database_is_away() -> None:
    rig = Rig()
    rig.layer.is_away = rig.store.is_away = True
    await rig.watch.prepare()

    rig.watch.tell(GAP)
    assert not await rig.watch.drain()
    rig.layer.is_away = rig.store.is_away = False
    assert await rig.watch.drain()

    assert len(rig.layer.gaps) == len(rig.store.gaps) == 1


async def test_gap_is_told_while_the_database_takes_its_time() -> None:
    rig = Rig()
    may_end = asyncio.Event()
    store = rig.store.store

    async def store_late(gaps: Sequence[FeedGapRow]) -> int:
        await may_end.wait()
        return await store(gaps)

    rig.store.store = store_late
    async with rig.running():
        rig.watch.tell(GAP)
        await until(lambda: len(rig.layer.gaps) == 1)
        rig.watch.tell(structs.replace(GAP, from_us=9))
        await until(lambda: len(rig.layer.gaps) == 2)
        assert rig.store.gaps == []

        may_end.set()
        await until(lambda: len(rig.store.gaps) == 2)


async def test_gap_of_a_process_without_the_lease_is_left_to_the_holder() -> None:
    rig, ends = Rig(), []
    rig.keeper.on_superseded = lambda: ends.append("turn")
    rig.store.is_superseded = True

    rig.watch.tell(GAP)
    assert await rig.watch.drain()
    assert await rig.watch.drain()

    assert rig.store.gaps == []
    assert ends == ["turn"]


async def test_gap_that_the_feed_tells_leaves_out_a_closed_market() -> None:
    rig = Rig()
    eur = FollowedInstrument("EURUSD", "EURUSD", 5, market=InstrumentType.FOREX)
    rig.watch.followed = lambda: [eur]
    friday, sunday = 1_709_935_200_000_000, 1_710_104_400_000_000  # close, open

    rig.watch.tell(UpstreamGap("EURUSD", Kind.TICK, friday - 7, sunday + 7, "cut"))
    rig.watch.tell(UpstreamGap("EURUSD", Kind.TICK, friday + 7, sunday - 7, "cut"))
    assert await rig.watch.drain()

    assert [(gap.from_us, gap.to_us) for gap in rig.layer.gaps] == [
        (friday - 7, friday),
        (sunday, sunday + 7),
    ]
    assert len(rig.store.gaps) == 2


async def test_price_that_a_new_stream_repeats_tells_that_nothing_is_missing() -> None:
    rig = Rig()
    last = tick(time_us=NOW_US - 5)
    rig.watch.enter(FeedState.LIVE)
    rig.publisher.publish([last])
    rig.watch.enter(FeedState.LOST)
    rig.watch.enter(FeedState.LIVE)

    rig.watch.take_repeated(last)
    rig.watch.take([tick(time_us=NOW_US + 5)])
    await rig.watch.drain()

    assert rig.layer.gaps == []
    await rig.publisher.drain()


async def test_followers_of_a_book_alone_are_told_of_a_lost_connection() -> None:
    rig = Rig()
    rig.watch.enter(FeedState.LIVE)
    rig.publisher.publish([structs.replace(book(), time_us=NOW_US - 5)])
    rig.watch.enter(FeedState.LOST)
    rig.watch.enter(FeedState.LIVE)

    rig.watch.take([structs.replace(book(), time_us=NOW_US)])
    await rig.watch.drain()

    assert rig.layer.gaps == [
        ToldGap(Kind.ORDERBOOK, "EURUSD", NOW_US - 5, NOW_US, "connection lost")
    ]
    await rig.publisher.drain()


async def test_what_the_feed_is_not_set_up_to_give_has_no_gap() -> None:
    rig = Rig({(Kind.TICK, "EURUSD"): NOW_US - 9, (Kind.TRADE, "EURUSD"): NOW_US - 9})
    rig.watch.kinds = {Kind.TICK}
    await rig.watch.prepare()
    rig.watch.enter(FeedState.LIVE)

    rig.watch.take([tick(time_us=NOW_US)])

    assert not rig.watch.is_open
