import asyncio
import time
from collections.abc import AsyncIterator, Callable

import django.db
import msgspec
import pytest

from brokers import runner as runner_module
from brokers.backoff import Backoff
from brokers.connection import FeedState, Timing
from brokers.demand import Change
from brokers.exceptions import FeedLost, FeedRefused
from brokers.feed import Emit, FollowedInstrument, OnGap, UpstreamGap
from brokers.gap_watch import GapWatch
from brokers.runner import FeedRunner, Outputs
from marketdata.exceptions import InvalidSymbol
from marketdata.layer_messages import ToldGap
from marketdata.publisher import Publisher
from marketdata.records import Kind
from marketdata.topics import Topic
from tests.brokers.fakes import FakeFeed, FakeLayer, FakeRecorder, book, tick, trade
from tests.marketdata.polling import until

RECORDED = frozenset({Kind.TICK, Kind.TRADE})
EUR = FollowedInstrument("EURUSD", "EURUSD", 5, kinds=RECORDED)
GBP = FollowedInstrument("GBPUSD", "GBPUSD", 5, kinds=RECORDED)
JPY = FollowedInstrument("USDJPY", "USDJPY", 3, is_recorded=False)
TIMING = Timing(
    silence_s=30.0, reconnect_min_s=0.001, reconnect_max_s=0.01, refresh_s=0.01
)


class FakeHubs:
    """Says what it is told to."""

    def __init__(self) -> None:
        self.on_change: Callable[[Change], None] = lambda change: None

    async def run(self, facts: object) -> None:
        await asyncio.Event().wait()


class Rig:
    """A runner with fakes on all sides."""

    def __init__(self) -> None:
        self.feed = FakeFeed()
        self.layer = FakeLayer()
        self.recorder: FakeRecorder | None = FakeRecorder()
        self.watches_gaps = False
        self.gaps: GapWatch | None = None
        self.instruments = [EUR]
        self.timing = TIMING
        self.stop = asyncio.Event()
        self.hubs: FakeHubs | None = None
        self.runner: FeedRunner | None = None
        self.task: asyncio.Task[bool] | None = None

    async def load(self) -> list[FollowedInstrument]:
        return list(self.instruments)

    def start(self) -> FeedRunner:
        publisher = Publisher(self.layer, 7)
        if self.watches_gaps:
            self.gaps = GapWatch("fake", publisher, self.layer, None)
        self.runner = FeedRunner(
            self.feed,
            Outputs(publisher, self.recorder, hubs=self.hubs, gaps=self.gaps),
            load_instruments=self.load,
            timing=self.timing,
        )
        self.task = asyncio.create_task(self.runner.run(self.stop))
        return self.runner


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """A runner with fakes, not yet started."""
    rig = Rig()
    yield rig
    rig.stop.set()
    if rig.task is not None:
        await asyncio.gather(rig.task, return_exceptions=True)


async def test_run_publishes_all_and_stores_ticks_and_trades(rig: Rig) -> None:
    rig.feed.records = [tick(), trade(), book(), tick(2.0)]
    rig.start()

    await until(lambda: len(rig.layer.published) == 4)

    assert {
        (group, epoch, number) for group, epoch, number, _ in rig.layer.published
    } == {
        ("md.tick.fake.EURUSD", 7, 1),
        ("md.trade.fake.EURUSD", 7, 1),
        ("md.orderbook.fake.EURUSD", 7, 1),
        ("md.tick.fake.EURUSD", 7, 2),
    }
    assert rig.recorder.rows == [(tick(), 7, 1), (trade(), 7, 1), (tick(2.0), 7, 2)]


async def test_run_without_recorder_publishes(rig: Rig) -> None:
    rig.recorder = None
    rig.feed.records = [tick()]
    runner = rig.start()

    await until(lambda: rig.layer.published)

    assert "stored" not in runner.figures()


async def test_figures_tell_what_the_recorder_did(rig: Rig) -> None:
    rig.feed.records = [tick(), trade()]
    runner = rig.start()

    await until(lambda: len(rig.recorder.rows) == 2)

    figures = runner.figures()
    assert (figures["stored"], figures["skipped"], figures["unstored"]) == (2, 3, 0)


async def test_run_lost_connection_reconnects_and_numbers_go_on(rig: Rig) -> None:
    rig.feed = FakeFeed(FeedLost("gone"), FeedLost("gone again"))
    rig.feed.records = [trade()]
    runner = rig.start()

    await until(lambda: len(rig.layer.published) == 3)

    assert [number for _, _, number, _ in rig.layer.published] == [1, 2, 3]
    assert (rig.feed.connections, runner.figures()["reconnects"]) == (3, 2)


async def test_run_lost_connection_is_a_gap_of_each_topic_that_goes_on(
    rig: Rig,
) -> None:
    class Feed(FakeFeed):
        async def run(self, emit: Emit) -> None:
            self.records = [tick(time_us=5 + self.connections)]
            await super().run(emit)

    rig.feed = Feed(FeedLost("gone"))
    rig.watches_gaps = True
    rig.start()

    await until(lambda: rig.layer.gaps)

    assert rig.layer.gaps == [ToldGap(Kind.TICK, "EURUSD", 5, 6, "connection lost")]


async def test_run_stops_while_the_end_of_what_is_stored_is_asked_for(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def prepare(watch: GapWatch) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(GapWatch, "prepare", prepare)
    rig.watches_gaps = True
    rig.start()
    await asyncio.sleep(0)

    rig.stop.set()

    assert rig.task is not None
    assert await asyncio.wait_for(rig.task, 10)


async def test_run_feed_that_knows_its_gaps_is_heard(rig: Rig) -> None:
    class Feed(FakeFeed):
        on_gap: OnGap = staticmethod(lambda gap: None)

        async def run(self, emit: Emit) -> None:
            self.on_gap(UpstreamGap("EURUSD", Kind.TRADE, 3, None, "numbers skipped"))
            await super().run(emit)

    rig.feed = Feed()
    rig.watches_gaps = True
    rig.start()

    await until(lambda: rig.layer.gaps)

    assert rig.layer.gaps == [ToldGap(Kind.TRADE, "EURUSD", 3, None, "numbers skipped")]


async def test_run_silent_feed_is_connected_again(rig: Rig) -> None:
    rig.timing = Timing(
        silence_s=0.02, reconnect_min_s=0.001, reconnect_max_s=0.01, refresh_s=1.0
    )
    rig.start()

    await until(lambda: rig.feed.connections >= 3)


async def test_run_refusal_waits_for_what_the_broker_asked(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.feed = FakeFeed(FeedRefused(429, retry_after_s=120.0))
    runner = rig.start()

    await until(lambda: runner.connection.state is FeedState.LOST)
    await asyncio.sleep(0.05)  # several times the longest delay of a plain loss

    assert rig.feed.connections == 1


@pytest.mark.parametrize(("reset_s", "doubles"), [(0.5, True), (0.0, False)])
async def test_run_short_connections_lengthen_the_delay(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, reset_s: float, doubles: bool
) -> None:
    rig.timing = msgspec.structs.replace(TIMING, reset_s=reset_s)
    delays: list[float] = []
    monkeypatch.setattr(Backoff, "delay_after_s", recorded(delays))
    rig.feed = FakeFeed(FeedLost("1"), FeedLost("2"), FeedLost("3"))
    rig.start()

    await until(lambda: len(delays) == 3)

    assert delays == ([0, 1, 2] if doubles else [0, 0, 0])


def recorded(delays: list[float]) -> Callable[..., float]:
    def delay_s(backoff: Backoff, lost: FeedLost, random: float) -> float:
        delays.append(backoff.failures)
        backoff.failures += 1
        return 0.0

    return delay_s


async def test_run_without_instruments_does_not_connect(rig: Rig) -> None:
    rig.instruments = []
    runner = rig.start()

    await until(lambda: runner.connection.state is FeedState.IDLE)
    assert rig.feed.connections == 0

    rig.instruments = [EUR]
    await until(lambda: rig.feed.connections == 1)


async def test_run_new_instruments_are_followed(rig: Rig) -> None:
    rig.start()
    await until(lambda: rig.feed.followed)

    rig.instruments = [EUR, GBP]
    await until(lambda: len(rig.feed.followed) == 2)

    assert rig.feed.followed == [[EUR], [EUR, GBP]]


async def test_run_unrecorded_is_followed_from_the_first_client_to_after_the_last(
    rig: Rig,
) -> None:
    ticks = Topic(Kind.TICK, "fake", "USDJPY")
    wanted = msgspec.structs.replace(JPY, kinds=frozenset({Kind.TICK}))
    rig.instruments = [EUR, JPY]
    rig.hubs = FakeHubs()
    rig.timing = msgspec.structs.replace(TIMING, refresh_s=100.0, grace_s=0.1)
    runner = rig.start()
    await until(lambda: rig.feed.followed)

    rig.hubs.on_change(Change(added=(ticks,)))
    rig.hubs.on_change(Change(removed=(ticks,)))
    rig.hubs.on_change(Change(added=(ticks,)))
    assert rig.feed.followed == [[EUR], [EUR, wanted]]
    assert [runner.is_recorded(symbol) for symbol in ("EURUSD", "USDJPY")] == [1, 0]
    left_s = time.monotonic()
    rig.hubs.on_change(Change(removed=(ticks,)))
    await until(lambda: len(rig.feed.followed) == 3)

    assert rig.feed.followed[2] == [EUR]
    assert time.monotonic() - left_s >= 0.1


async def test_run_first_connection_on_demand_is_no_outage(rig: Rig) -> None:
    ticks = Topic(Kind.TICK, "fake", "USDJPY")
    rig.instruments = [JPY]
    rig.hubs = FakeHubs()
    runner = rig.start()
    await until(lambda: runner.connection.state is FeedState.IDLE)

    rig.hubs.on_change(Change(added=(ticks,)))
    await until(lambda: rig.feed.connections)

    assert runner.connection.state is FeedState.OPENING
    assert runner.is_live


@pytest.mark.parametrize(
    "error", [django.db.OperationalError("away"), InvalidSymbol("EUR USD")]
)
async def test_run_instruments_not_loaded_keeps_what_is_followed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    calls = 0

    async def fail() -> list[FollowedInstrument]:
        nonlocal calls
        calls += 1
        if calls == 1:
            return [EUR]
        raise error

    monkeypatch.setattr(rig, "load", fail)
    rig.start()
    await until(lambda: calls > 3)

    assert rig.feed.followed == [[EUR]]
    assert not rig.task.done()


async def test_run_stop_drains_and_tells_so(rig: Rig) -> None:
    rig.feed.records = [tick()]
    rig.start()
    await until(lambda: rig.recorder.rows)

    rig.stop.set()

    assert await rig.task is True
    assert rig.recorder.is_drained
    assert len(rig.layer.published) == 1


async def test_run_stop_that_cannot_drain_ends_in_time(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "DRAIN_S", 0.05)
    rig.recorder = FakeRecorder(drains=False)
    rig.start()
    await until(lambda: rig.feed.connections)

    rig.stop.set()

    assert await rig.task is False


async def test_run_error_in_a_feed_drains_and_ends(rig: Rig) -> None:
    rig.feed = FakeFeed(ZeroDivisionError("a mistake in a feed"))
    rig.feed.records = [tick()]
    rig.start()

    with pytest.raises(ZeroDivisionError):
        await rig.task

    assert rig.recorder.is_drained
    assert len(rig.layer.published) == 1
