"""Runs one broker's feed: publishes and stores what it delivers, talks with hubs."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

import msgspec
import structlog

from brokers.connection import FeedState, KeptConnection, Timing
from brokers.feed import Feed
from brokers.feed_answers import FeedAnswers, FeedCounts
from brokers.feed_hooks import listen_to
from brokers.feed_metrics import feed_metrics
from brokers.following import Following, LoadInstruments
from brokers.gap_closing import GapCloser
from brokers.gap_watch import GapWatch
from brokers.hub_link import HubLink
from brokers.repeats import Repeats
from brokers.run_together import run_together, unless
from brokers.state_watch import StateWatch
from marketdata.lag_histogram import LagHistogram
from marketdata.metric_families import Family
from marketdata.publisher import Publisher
from marketdata.records import Record, Tick, Trade

REPORT_S = 60.0
# Together with closing the connection (2 s) within the 10 s that a stop may take.
DRAIN_S = 7.0

# Books and tickers are not history. A tuple: `Tick | Trade` would be built per record.
_STORED = (Tick, Trade)

log = structlog.get_logger(__name__)


class RecordStore(Protocol):
    """What the runner needs of the recorder."""

    counters: Any
    lag: LagHistogram

    @property
    def held(self) -> int:
        """Rows that are not stored yet."""

    def append(self, record: Tick | Trade, epoch: int, number: int) -> None:
        """Take a record for storing; never blocks."""

    async def drain(self) -> bool:
        """Store what waits; False if something could not be stored."""


class Derived(Protocol):
    """What is computed of the records as they come."""

    def take(self, records: Sequence[Record], numbers: Sequence[int]) -> None:
        """Note records that were just published under these numbers; never blocks."""


class Outputs(msgspec.Struct, frozen=True):
    """Where a feed's records go; without a recorder nothing is stored."""

    publisher: Publisher
    recorder: RecordStore | None = None
    derived: Derived | None = None
    hubs: HubLink | None = None
    gaps: GapWatch | None = None
    states: StateWatch | None = None
    closer: GapCloser | None = None
    answers: FeedAnswers | None = None


class FeedRunner:
    """One feed with its outputs; ``load_instruments`` None: it has no instruments.

    ``repeats`` may be told what earlier processes stored last.
    """

    def __init__(
        self,
        feed: Feed,
        outputs: Outputs,
        *,
        load_instruments: LoadInstruments | None,
        timing: Timing,
    ) -> None:
        self.connection = KeptConnection(feed, timing)
        self.repeats = Repeats()
        self._feed = feed
        self._outputs = outputs
        self._following: Following | None = None
        self._last: Record | None = None
        self._lag = LagHistogram()
        if load_instruments is not None:
            self._following = Following(
                self.connection,
                load_instruments,
                refresh_s=timing.refresh_s,
                grace_s=timing.grace_s,
            )
            if outputs.hubs is not None:
                outputs.hubs.on_change = self._following.demand
        self._log = log.bind(broker=feed.broker)
        self.connection.on_state = self._enter
        if outputs.gaps is not None:
            outputs.gaps.followed = lambda: self.connection.followed
            listen_to(feed, outputs.gaps, outputs.closer)

    @property
    def is_live(self) -> bool:
        """Return False while the broker's records do not reach us."""
        return self.connection.is_live

    def is_recorded(self, symbol: str) -> bool:
        """Return whether the symbol's ticks and trades are stored."""
        is_wanted = self._following is not None and self._following.is_recorded(symbol)
        return is_wanted and self._outputs.recorder is not None

    async def run(self, stop: asyncio.Event) -> bool:
        """Run until ``stop`` is set; False if something was left unsent or unstored."""
        if self._outputs.gaps is not None:
            await unless(stop, self._outputs.gaps.prepare())
        try:
            await run_together(*self._parts(), _wait(stop))
        finally:
            self._log.info("feed stops")
            is_drained = await self._drain()
            self._log.info("feed stopped", drained=is_drained, **self.figures())
        return is_drained

    def counts(self) -> FeedCounts:
        """Return how the feed is now."""
        recorder, last = self._outputs.recorder, self._last
        return FeedCounts(
            state=self.connection.state.value,
            instruments=len(self.connection.followed),
            records=self._outputs.publisher.counters.records,
            reconnects=self.connection.reconnects,
            stored=recorder.counters.stored if recorder else 0,
            held=recorder.held if recorder else 0,
            received_us=last.received_us if last else None,
            event_us=last.time_us if last else None,
        )

    def figures(self) -> dict[str, int]:
        """Return what was counted since the start."""
        received, outputs = self._feed.counters, self._outputs
        published = outputs.publisher.counters
        figures = {
            "received": received.received,
            "published": published.published,
            "unpublished": published.dropped,
            "malformed": received.malformed,
            "unknown": received.unknown_symbols + received.unknown_events,
            "reconnects": self.connection.reconnects,
        }
        if outputs.recorder is not None:
            figures["stored"] = outputs.recorder.counters.stored
            figures["duplicates"] = outputs.recorder.counters.duplicates
            figures["replayed"] = outputs.recorder.counters.replayed
            figures["skipped"] = outputs.recorder.counters.skipped
            figures["unstored"] = outputs.recorder.counters.dropped
        return figures

    def metrics(self) -> list[Family]:
        """Return all of it for Prometheus."""
        lags = {"broker": self._lag, "published": self._outputs.publisher.lag}
        if self._outputs.recorder is not None:
            lags["stored"] = self._outputs.recorder.lag
        return feed_metrics(self._feed.broker, self.counts(), self.figures(), lags)

    def _parts(self) -> list[Coroutine[Any, Any, None]]:
        parts = [self.connection.run(self._emit), self._report_regularly()]
        if self._following is None:
            self.connection.follow_nothing()
        else:
            parts.append(self._following.run())
        if self._outputs.hubs is not None:
            parts.append(self._outputs.hubs.run(self))
        if self._outputs.gaps is not None:
            parts.append(self._outputs.gaps.run())
        if self._outputs.states is not None:
            parts.append(self._outputs.states.run())
        if self._outputs.closer is not None:
            parts.append(self._outputs.closer.run())
        if self._outputs.answers is not None:
            parts.append(self._outputs.answers.run(self))
        return parts

    def _enter(self, state: FeedState) -> None:
        if state is FeedState.LIVE:
            self.repeats.begin(time.time_ns() // 1_000)
        elif state is FeedState.LOST:
            self.repeats.expect(self._outputs.publisher.lasts())
        for watch in (self._outputs.gaps, self._outputs.states):
            if watch is not None:
                watch.enter(state)

    def _emit(self, records: Sequence[Record]) -> None:
        outputs = self._outputs
        publisher, recorder = outputs.publisher, outputs.recorder
        if outputs.gaps is not None and outputs.gaps.is_open:
            outputs.gaps.take(records)
        if self.repeats.is_expecting:
            count = len(records)
            records = self.repeats.without(records)
            self._feed.counters.repeated += count - len(records)
        if records:
            self._last = last = records[-1]
            self._lag.observe(last.received_us - last.time_us, len(records))
        numbers = publisher.publish(records)
        if recorder is not None:
            epoch = publisher.epoch
            for record, number in zip(records, numbers, strict=True):
                if isinstance(record, _STORED):
                    recorder.append(record, epoch, number)
        if outputs.derived is not None:
            outputs.derived.take(records, numbers)

    async def _report_regularly(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            self._log.info(
                "feed figures", state=self.connection.state.value, **self.figures()
            )

    async def _drain(self) -> bool:
        steps = [self._outputs.publisher.drain()]
        if self._outputs.recorder is not None:
            steps.append(self._outputs.recorder.drain())
        if self._outputs.gaps is not None:
            steps.append(self._outputs.gaps.drain())
        if self._outputs.states is not None:
            steps.append(self._outputs.states.drain())
        try:
            async with asyncio.timeout(DRAIN_S):
                return all(await asyncio.gather(*steps))
        except TimeoutError:
            return False


async def _wait(stop: asyncio.Event) -> None:
    await stop.wait()
