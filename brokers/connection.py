"""Keeps a feed connected: reconnects with backoff, watches for silence, has a state."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import msgspec
import structlog

from brokers.backoff import Backoff
from brokers.exceptions import FeedLost, FeedSilent, FeedUnauthorized
from brokers.feed import Emit, Feed, FollowedInstrument
from brokers.run_together import run_together, unless
from brokers.silence import Silence
from marketdata.catalog import InstrumentType
from marketdata.durations import HOUR_US
from marketdata.market_calendar import is_closed
from marketdata.records import Record

log = structlog.get_logger(__name__)


class FeedState(Enum):
    """State of the connection; LIVE from the first message on."""

    STARTING = "starting"
    IDLE = "idle"  # nothing to follow
    OPENING = "opening"  # the first connection for what was just asked for
    CONNECTING = "connecting"
    LIVE = "live"
    LOST = "lost"


class Timing(msgspec.Struct, frozen=True):
    """Seconds: silence before a reconnect, bounds of the delays, catalog interval, how
    long a symbol is followed after its last client, and after how long a connection was
    a success: the next failure starts with the shortest delay.
    """

    silence_s: float
    reconnect_min_s: float
    reconnect_max_s: float
    refresh_s: float
    grace_s: float = 30.0
    # Below the watchdog's 30 s, so that quiet markets are not punished.
    reset_s: float = 20.0


def timing_of(settings: Any) -> Timing:
    """Return what Django's settings say."""
    return Timing(
        silence_s=settings.FEED_SILENCE_S,
        reconnect_min_s=settings.RECONNECT_MIN_S,
        reconnect_max_s=settings.RECONNECT_MAX_S,
        refresh_s=settings.CATALOG_REFRESH_S,
        grace_s=settings.FEED_GRACE_S,
        reset_s=settings.RECONNECT_RESET_S,
    )


class KeptConnection:
    """A feed's connection, made again whenever it ends.

    ``on_state`` is told each state that it enters. ``barred`` says why none may be made
    now: attempts fail for that reason.
    """

    def __init__(
        self,
        feed: Feed,
        timing: Timing,
        *,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:
        self.state = FeedState.STARTING
        self.reconnects = 0
        self.barred = ""
        self.followed: Sequence[FollowedInstrument] = ()
        self.on_state: Callable[[FeedState], None] = lambda state: None
        self._feed = feed
        self._timing = timing
        self._now_us = now_us
        self._markets: frozenset[InstrumentType] = frozenset()
        self._may_connect = asyncio.Event()
        self._again = asyncio.Event()
        self._again_why = ""
        self._log = log.bind(broker=feed.broker)

    @property
    def is_live(self) -> bool:
        """Return False while the broker's records do not reach us."""
        return self.state in (FeedState.LIVE, FeedState.IDLE, FeedState.OPENING)

    def follow(self, followed: Sequence[FollowedInstrument]) -> None:
        """Have the feed follow exactly these; connected while there are any."""
        if followed != self.followed:
            self._log.info("feed follows", instruments=len(followed))
            self.followed = followed
            self._markets = frozenset(item.market for item in followed)
            self._feed.follow(followed)
        if followed:
            self._may_connect.set()
        else:
            self._may_connect.clear()
            self._enter(FeedState.IDLE)

    def follow_nothing(self) -> None:
        """Connect a feed that has no instruments."""
        self._may_connect.set()

    def connect_again(self, why: str) -> None:
        """End the connection, or the wait for the next one, and connect at once."""
        self._again_why = why
        self._again.set()

    async def run(self, emit: Emit) -> None:
        """Connect again whenever the connection ends. Never returns."""
        timing = self._timing
        backoff = Backoff(timing.reconnect_min_s, timing.reconnect_max_s)

        def emit_live(records: Sequence[Record]) -> None:
            if self.state is not FeedState.LIVE:
                self._enter(FeedState.LIVE)
            emit(records)

        while True:
            if not self._may_connect.is_set() and self.state is not FeedState.STARTING:
                self._enter(FeedState.IDLE)
            await self._may_connect.wait()
            is_first = self.state is FeedState.IDLE  # nobody misses anything yet
            self._enter(FeedState.OPENING if is_first else FeedState.CONNECTING)
            started_s = time.monotonic()
            self._again.clear()
            try:
                if self.barred:
                    raise FeedUnauthorized(401, self.barred)
                await run_together(
                    self._feed.run(emit_live), self._watch_silence(), self._end_early()
                )
                raise FeedLost("the feed ended by itself")
            except FeedLost as exc:
                if time.monotonic() - started_s >= timing.reset_s:
                    backoff.reset()
                delay_s = backoff.delay_after_s(exc, random.random())
                if self._again.is_set():
                    delay_s = 0.0
                self._enter(
                    FeedState.LOST,
                    code=exc.code,
                    error=str(exc),
                    retry_in_s=round(delay_s, 2),
                )
                await unless(self._again, asyncio.sleep(delay_s))
                if self._again.is_set():
                    backoff.reset()
            self.reconnects += 1

    async def _end_early(self) -> None:
        await self._again.wait()
        raise FeedLost(self._again_why)

    async def _watch_silence(self) -> None:
        """Raise FeedSilent when the connection stalls, as `Silence` judges it.

        What is counted without giving records, as heartbeats are, shows life, too. No
        silence is too long while all followed markets are closed.
        """
        silence_s, counters = self._timing.silence_s, self._feed.counters
        silence = Silence(
            silence_s, time.monotonic(), counters.received, counters.signs
        )
        while True:
            now_s = time.monotonic()
            if silence.look(now_s, counters.received, counters.signs):
                if self.state in (FeedState.OPENING, FeedState.CONNECTING):
                    self._enter(FeedState.LIVE)
            elif not self._may_connect.is_set() or self._is_closed():
                silence.excuse(now_s)
            if silence.is_too_long(now_s):
                raise FeedSilent(silence_s)
            look_s = 1.0 if self.state is FeedState.LIVE else 0.1
            await asyncio.sleep(min(look_s, silence_s / 10))

    def _is_closed(self) -> bool:
        now_us = self._now_us()
        hour_us = now_us - now_us % HOUR_US
        markets = self._markets
        return bool(markets) and all(is_closed(each, hour_us) for each in markets)

    def _enter(self, state: FeedState, **facts: Any) -> None:
        if state is not self.state:
            self.state = state
            self._log.info(f"feed {state.value}", **facts)
            self.on_state(state)
