"""Keeps OANDA's pricing stream what is followed; one stream carries all instruments."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp
import msgspec
import structlog

from brokers.exceptions import (
    FeedLost,
    InvalidCredentials,
    InvalidFeedSetting,
)
from brokers.feed import Emit, FollowedInstrument, OnGap, UpstreamGap
from brokers.oanda.access import Access, access_of, base_address, client_access
from brokers.oanda.limits import StreamLimits, shared_limits
from brokers.oanda.lines import Lines
from brokers.oanda.messages import BROKER
from brokers.oanda.opening import StreamOpener
from brokers.oanda.stream import Stream, open_session
from marketdata.records import Kind, Tick

# Every division of OANDA deals in it.
PROBE_INSTRUMENT = "EUR_USD"

log = structlog.get_logger(__name__)


class Timing(msgspec.Struct, frozen=True):
    """Seconds of a stream's life.

    ``silence_s``: without a byte it is lost; heartbeats come every 5. ``settle_s``:
    instruments that change within it share one new stream. ``overlap_s``: how long the
    old stream is read on beside the new one, for what is under way in it. ``retry_s``:
    between attempts to open a new one while the old one lives.
    """

    silence_s: float = 12.0
    settle_s: float = 1.0
    overlap_s: float = 1.0
    retry_s: float = 5.0


class OandaFeed:
    """Follows all instruments over one stream, which a change of them replaces.

    ``access`` None: there are no credentials, and nothing is ever requested.
    """

    broker = BROKER
    is_simulated = False

    def __init__(
        self, access: Access | None, limits: StreamLimits, timing: Timing | None = None
    ) -> None:
        self.on_gap: OnGap = lambda gap: None
        self._limits = limits
        self._timing = timing or Timing()
        self._lines = Lines()
        self.counters = self._lines.counters
        self._has_changed = asyncio.Event()
        self._opener = StreamOpener(access, limits, self._timing.silence_s)

    @property
    def on_repeated(self) -> Callable[[Tick], None]:
        """Called with prices that came before, as at the begin of a new stream."""
        return self._lines.on_repeated

    @on_repeated.setter
    def on_repeated(self, call: Callable[[Tick], None]) -> None:
        self._lines.on_repeated = call

    def follow(self, instruments: Sequence[FollowedInstrument]) -> None:
        """Deliver exactly these from now on; also while ``run`` runs. Never blocks.

        Ticks are all there is, so they are followed whatever kinds are wanted.
        """
        self._lines.symbols = {
            item.broker_symbol.upper().replace("/", "_"): item.symbol
            for item in instruments
        }
        self._has_changed.set()

    def use_account_of(self, other: "OandaFeed") -> None:
        """Use the other feed's credentials from the next connection on."""
        self._opener = other._opener

    async def check_access(self) -> None:
        """Return if OANDA takes the credentials: opens a stream and closes it.

        Raises:
            FeedUnauthorized: it does not take them.
            FeedLost: it could not be asked.
        """
        async with open_session() as session:
            stream = await self._opener.open(session, (PROBE_INSTRUMENT,))
            stream.close()

    async def run(self, emit: Emit) -> None:
        """Connect once and hand records to ``emit`` until the stream ends.

        Waits without a request while there is nothing to follow.

        Raises:
            FeedLost: the stream ended or could not be made. Never returns.
        """
        current: Stream | None = None
        async with open_session() as session:
            try:
                while True:
                    self._has_changed.clear()
                    wanted = self._wanted()
                    if wanted != (current.instruments if current else ()):
                        current = await self._replace(session, current, wanted, emit)
                    await self._wait_for_change(current)
            finally:
                if current is not None:
                    await current.stop()

    def _wanted(self) -> tuple[str, ...]:
        return tuple(sorted(self._lines.symbols.keys() - self._opener.unknown))

    async def _wait_for_change(self, current: Stream | None) -> None:
        """Return when other instruments are wanted; raise what ended the stream."""
        changed = asyncio.create_task(self._has_changed.wait())
        try:
            if current is None:
                await changed
                return
            await asyncio.wait(
                {changed, current.reading}, return_when=asyncio.FIRST_COMPLETED
            )
            await asyncio.wait({current.reading}, timeout=self._timing.settle_s)
            current.raise_if_ended()
        finally:
            changed.cancel()

    async def _replace(
        self,
        session: aiohttp.ClientSession,
        current: Stream | None,
        wanted: tuple[str, ...],
        emit: Emit,
    ) -> Stream | None:
        """Return the stream that has taken the place of ``current``.

        Trouble with the new one leaves the old one there, and is tried again.
        """
        if current is not None and (not wanted or not self._limits.has_room):
            await current.stop()
            current = None
            if wanted:
                self._tell_gaps("there was no second stream to change over to")
        if not wanted:
            return None
        try:
            return await self._change_over(session, current, wanted, emit)
        except FeedLost as exc:
            if current is None:
                raise
            retry_s = max(self._timing.retry_s, exc.retry_after_s)
            log.warning(
                "cannot change instruments, the old stream stays",
                broker=BROKER,
                code=exc.code,
                error=str(exc),
                retry_in_s=retry_s,
            )
            await asyncio.wait({current.reading}, timeout=retry_s)
            current.raise_if_ended()
            self._has_changed.set()
            return current

    async def _change_over(
        self,
        session: aiohttp.ClientSession,
        current: Stream | None,
        wanted: tuple[str, ...],
        emit: Emit,
    ) -> Stream:
        new = await self._opener.open_known(session, wanted)
        if current is not None and current.reading.done():
            self._tell_gaps("the old stream ended before the new one began")
        new.start(self._lines.reader(emit))
        if current is not None:
            try:
                await new.wait_for_line()
                await asyncio.wait({current.reading}, timeout=self._timing.overlap_s)
                await current.stop()
            except BaseException:
                await new.stop()
                raise
        log.info("stream open", broker=BROKER, instruments=len(wanted))
        return new

    def _tell_gaps(self, reason: str) -> None:
        for symbol in self._lines.symbols.values():
            from_us = self._lines.seen.newest_us(symbol)
            if from_us is not None:
                self.on_gap(UpstreamGap(symbol, Kind.TICK, from_us, None, reason))


def global_feed(settings: Any) -> OandaFeed:
    """Return the feed of our own account, which asks for nothing if there is none.

    Raises:
        InvalidFeedSetting: a setting cannot be used.
    """
    address = base_address(settings.OANDA_URL, settings.OANDA_ENVIRONMENT)
    access = None
    if settings.OANDA_API_KEY and settings.OANDA_ACCOUNT_ID:
        account, key = settings.OANDA_ACCOUNT_ID, settings.OANDA_API_KEY
        try:
            access = access_of(address, account, key)
        except InvalidCredentials:
            names = "OANDA_API_KEY and OANDA_ACCOUNT_ID"
            raise InvalidFeedSetting(names, "printable ASCII", "others") from None
    return _feed(settings, access)


def private_feed(settings: Any, credentials: Mapping[str, str]) -> OandaFeed:
    """Return a feed of a client's account; see ``client_access``.

    Raises:
        InvalidCredentials: a field is missing or cannot be used.
        InvalidFeedSetting: a setting cannot be used.
    """
    address = base_address(settings.OANDA_URL, settings.OANDA_ENVIRONMENT)
    return _feed(settings, client_access(address, credentials))


def _feed(settings: Any, access: Access | None) -> OandaFeed:
    limits = shared_limits(settings.OANDA_MAX_STREAMS, settings.OANDA_CONNECTS_PER_S)
    return OandaFeed(access, limits, Timing(silence_s=settings.OANDA_SILENCE_S))
