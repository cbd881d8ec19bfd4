"""Runs one broker's feed: keeps it connected, publishes and stores what it delivers."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Any, Protocol

import django.db
import msgspec
import structlog

from brokers.backoff import Backoff
from brokers.exceptions import FeedLost, FeedRefused, FeedSilent
from brokers.feed import Feed, FollowedInstrument
from brokers.run_together import run_together
from marketdata.exceptions import MarketDataError
from marketdata.publisher import Publisher
from marketdata.records import Record, Tick, Trade

# A connection that lasted this long was a success: the next failure starts with the
# shortest delay. Below the watchdog's 30 s, so that quiet markets are not punished.
MIN_UPTIME_S = 20.0
REPORT_S = 60.0
# Together with closing the connection (2 s) within the 10 s that a stop may take.
DRAIN_S = 7.0

# Books and tickers are not history. A tuple: `Tick | Trade` would be built per record.
_STORED = (Tick, Trade)

LoadInstruments = Callable[[], Awaitable[Sequence[FollowedInstrument]]]

log = structlog.get_logger(__name__)


class FeedState(Enum):
    """State of the connection; LIVE from the first record on."""

    STARTING = "starting"
    IDLE = "idle"  # nothing to follow
    CONNECTING = "connecting"
    LIVE = "live"
    LOST = "lost"


class RecordStore(Protocol):
    """What the runner needs of the recorder."""

    counters: Any

    def append(self, record: Tick | Trade, epoch: int, number: int) -> None:
        """Take a record for storing; never blocks."""

    async def drain(self) -> bool:
        """Store what waits; False if something could not be stored."""


class Timing(msgspec.Struct, frozen=True):
    """Seconds: silence before a reconnect, bounds of the delays, catalog interval."""

    silence_s: float
    reconnect_min_s: float
    reconnect_max_s: float
    refresh_s: float


class FeedRunner:
    """One feed with its publisher and recorder; ``recorder`` None stores nothing."""

    def __init__(
        self,
        feed: Feed,
        publisher: Publisher,
        recorder: RecordStore | None,
        *,
        load_instruments: LoadInstruments,
        timing: Timing,
    ) -> None:
        self.state = FeedState.STARTING
        self.reconnects = 0
        self._feed = feed
        self._publisher = publisher
        self._recorder = recorder
        self._load_instruments = load_instruments
        self._timing = timing
        self._followed: Sequence[FollowedInstrument] = ()
        self._has_instruments = asyncio.Event()
        self._log = log.bind(broker=feed.broker)

    async def run(self, stop: asyncio.Event) -> bool:
        """Run until ``stop`` is set; False if something was left unsent or unstored."""
        try:
            await run_together(
                self._follow_catalog(),
                self._stay_connected(),
                self._report_regularly(),
                _wait(stop),
            )
        finally:
            self._log.info("feed stops")
            is_drained = await self._drain()
            self._log.info("feed stopped", drained=is_drained, **self.figures())
        return is_drained

    def figures(self) -> dict[str, int]:
        """Return what was counted since the start."""
        received, published = self._feed.counters, self._publisher.counters
        figures = {
            "received": received.received,
            "published": published.published,
            "unpublished": published.dropped,
            "malformed": received.malformed,
            "unknown": received.unknown_symbols + received.unknown_events,
            "reconnects": self.reconnects,
        }
        if self._recorder is not None:
            figures["stored"] = self._recorder.counters.stored
            figures["skipped"] = self._recorder.counters.skipped
            figures["unstored"] = self._recorder.counters.dropped
        return figures

    def _emit(self, records: Sequence[Record]) -> None:
        if self.state is not FeedState.LIVE:
            self._enter(FeedState.LIVE)
        numbers = self._publisher.publish(records)
        recorder = self._recorder
        if recorder is None:
            return
        epoch = self._publisher.epoch
        for record, number in zip(records, numbers, strict=True):
            if isinstance(record, _STORED):
                recorder.append(record, epoch, number)

    async def _follow_catalog(self) -> None:
        """Tell the feed at intervals what to follow. Never returns."""
        while True:
            try:
                followed = await self._load_instruments()
            except (django.db.Error, MarketDataError) as exc:  # what we follow stays
                self._log.warning("cannot load instruments", error=str(exc))
            else:
                self._follow(followed)
            await asyncio.sleep(self._timing.refresh_s)

    def _follow(self, followed: Sequence[FollowedInstrument]) -> None:
        if followed != self._followed:
            self._log.info("feed follows", instruments=len(followed))
            self._followed = followed
            self._feed.follow(followed)
        if followed:
            self._has_instruments.set()
        else:
            self._has_instruments.clear()
            self._enter(FeedState.IDLE)

    async def _stay_connected(self) -> None:
        """Connect again whenever the connection ends. Never returns."""
        timing = self._timing
        backoff = Backoff(timing.reconnect_min_s, timing.reconnect_max_s)
        while True:
            await self._has_instruments.wait()
            self._enter(FeedState.CONNECTING)
            started_s = time.monotonic()
            try:
                await run_together(self._feed.run(self._emit), self._watch_silence())
                raise FeedLost("the feed ended by itself")
            except FeedLost as exc:
                if time.monotonic() - started_s >= MIN_UPTIME_S:
                    backoff.reset()
                delay_s = _delay_s(backoff, exc)
                self._enter(
                    FeedState.LOST,
                    code=exc.code,
                    error=str(exc),
                    retry_in_s=round(delay_s, 1),
                )
                await asyncio.sleep(delay_s)
            self.reconnects += 1

    async def _watch_silence(self) -> None:
        """Raise FeedSilent when the feed's count stood still for too long."""
        silence_s = self._timing.silence_s
        received, changed_s = -1, 0.0
        while True:
            now_s = time.monotonic()
            if self._feed.counters.received != received or not self._followed:
                received, changed_s = self._feed.counters.received, now_s
            if now_s - changed_s >= silence_s:
                raise FeedSilent(silence_s)
            await asyncio.sleep(min(1.0, silence_s / 4))

    async def _report_regularly(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            self._log.info("feed figures", state=self.state.value, **self.figures())

    async def _drain(self) -> bool:
        steps = [self._publisher.drain()]
        if self._recorder is not None:
            steps.append(self._recorder.drain())
        try:
            async with asyncio.timeout(DRAIN_S):
                return all(await asyncio.gather(*steps))
        except TimeoutError:
            return False

    def _enter(self, state: FeedState, **facts: Any) -> None:
        if state is not self.state:
            self.state = state
            self._log.info(f"feed {state.value}", **facts)


def _delay_s(backoff: Backoff, lost: FeedLost) -> float:
    if isinstance(lost, FeedRefused):
        delay_s = backoff.refused_delay_s(random.random())
    else:
        delay_s = backoff.next_delay_s(random.random())
    return max(delay_s, lost.retry_after_s)


async def _wait(stop: asyncio.Event) -> None:
    await stop.wait()
