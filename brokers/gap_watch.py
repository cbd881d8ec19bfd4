"""Tells hubs what a feed never got of its broker, and has it stored."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

import django.db
import msgspec
import structlog
from redis.exceptions import RedisError

from brokers.connection import FeedState
from brokers.feed import FollowedInstrument, Key, UpstreamGap
from brokers.gap_keeping import GapKeeper
from brokers.gap_store import GapStore
from brokers.gaps import GapFinder
from brokers.run_together import run_together
from history.feed_gaps import STORED_KINDS, FeedGapRow
from marketdata.catalog import InstrumentType
from marketdata.layer_messages import Gaps, ToldGap, beat_group, encode_message
from marketdata.market_calendar import open_spans
from marketdata.publisher import BatchLayer, Publisher
from marketdata.records import KINDS, Kind, Record

LOOK_S = 1.0
PREPARE_TIMEOUT_S = 5.0
MAX_WAITING = 10_000  # while Redis is away; the oldest go first

log = structlog.get_logger(__name__)


class GapWatch:
    """The gaps of one feed, found here or told by the feed itself.

    While Redis is away they wait. Without a store none is kept.
    """

    def __init__(
        self,
        broker: str,
        publisher: Publisher,
        layer: BatchLayer,
        store: GapStore | None,
        keeper: GapKeeper | None = None,
        *,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:
        self.kinds: Collection[Kind] | None = None  # all
        self.followed: Callable[[], Sequence[FollowedInstrument]] = lambda: ()
        self._broker = broker
        self._publisher = publisher
        self._layer = layer
        self._store = store
        self._keeper = keeper
        self._now_us = now_us
        self._finder = GapFinder({})
        self._markets: Mapping[str, InstrumentType] = {}
        self._marked: Sequence[FollowedInstrument] = ()
        self._was_live = False
        self._last_told: dict[Key, UpstreamGap] = {}
        self._untold: deque[UpstreamGap] = deque(maxlen=MAX_WAITING)
        self._has_untold = asyncio.Event()
        self._log = log.bind(broker=broker)

    @property
    def is_open(self) -> bool:
        """Return whether ``take`` may find something."""
        return self._finder.is_open

    async def prepare(self) -> None:
        """Learn until when the records of earlier processes are stored."""
        self._finder.market_of = self._market_of
        if self._keeper is not None:
            await self._keeper.take_over()
        if self._store is None:
            return
        try:
            async with asyncio.timeout(PREPARE_TIMEOUT_S):
                stored = await self._store.ends()
                ends = {
                    key: end_us
                    for key, end_us in stored.items()
                    if self.kinds is None or key[0] in self.kinds
                }
                self._finder = GapFinder(ends, await self._store.live_until())
        except (django.db.Error, TimeoutError) as exc:
            self._log.warning("end of the stored records not known", error=str(exc))
        self._finder.market_of = self._market_of

    def enter(self, state: FeedState) -> None:
        """Note the state of the connection; without instruments nothing is missed."""
        if state is FeedState.LIVE:
            self._finder.come_back(self._now_us())
        elif self._was_live and state is not FeedState.IDLE:
            followed = self._symbols()
            lasts = self._publisher.lasts()
            self._finder.lose(
                (item for item in lasts if item.symbol in followed), self._now_us()
            )
        self._was_live = state is FeedState.LIVE

    def lose_part(self, keys: Collection[Key]) -> None:
        """Note that the connection of some topics is lost, while others go on."""
        lasts = [
            item
            for item in self._publisher.lasts()
            if (KINDS[type(item)], item.symbol) in keys
        ]
        self._finder.lose(lasts, self._now_us(), keys)

    def regain_part(self, keys: Collection[Key]) -> None:
        """Note that the connection of some topics is back."""
        self._finder.come_back(self._now_us(), keys)

    def take(self, records: Sequence[Record]) -> None:
        """Find the gaps that end with these records, which are not published yet."""
        for gap in self._finder.take(records):
            self.tell(gap)

    def take_repeated(self, record: Record) -> None:
        """Note a record that came before: it tells that nothing came meanwhile."""
        if self.is_open:
            self.take((record,))

    def tell(self, gap: UpstreamGap) -> None:
        """Have a gap told and stored, but for closed hours; never blocks."""
        if gap.from_us is None:
            self._tell(gap)
            return
        to_us = self._now_us() if gap.to_us is None else gap.to_us
        spans = open_spans(self._market_of(gap.symbol), gap.from_us, to_us)
        if spans == [(gap.from_us, to_us)]:
            self._tell(gap)
            return
        for start_us, end_us in spans:
            part = msgspec.structs.replace(gap, from_us=start_us, to_us=end_us)
            self._tell(part)

    def _tell(self, gap: UpstreamGap) -> None:
        key = gap.kind, gap.symbol
        before = self._last_told.get(key)
        if before and (before.from_us, before.to_us) == (gap.from_us, gap.to_us):
            return  # by the feed and by us
        self._last_told[key] = gap
        self._untold.append(gap)
        if self._keeper and gap.kind in STORED_KINDS and gap.from_us is not None:
            to_us = self._now_us() if gap.to_us is None else gap.to_us
            row = FeedGapRow(gap.symbol, gap.kind, gap.from_us, to_us, gap.reason)
            self._keeper.keep(row)
        self._has_untold.set()

    async def run(self) -> None:
        """Tell what is found, and store it, which may take its time. Never returns."""
        keeping = [self._keeper.run()] if self._keeper else []
        await run_together(self._tell_all(), *keeping)

    async def drain(self) -> bool:
        """Store what waits; False if something could not be stored."""
        await self._send()
        return self._keeper is None or await self._keeper.drain()

    def _market_of(self, symbol: str) -> InstrumentType:
        """Return the market of what is followed, crypto's if that is not known."""
        followed = self.followed()
        if followed is not self._marked:
            self._marked = followed
            self._markets = {item.symbol: item.market for item in followed}
        return self._markets.get(symbol, InstrumentType.CRYPTO)

    def _symbols(self) -> set[str]:
        return {item.symbol for item in self.followed()}

    async def _tell_all(self) -> None:
        while True:
            await _wait(self._has_untold)
            for gap in self._finder.settle(self._now_us(), self._symbols()):
                self.tell(gap)
            await self._send()

    async def _send(self) -> None:
        gaps = list(self._untold)
        if not gaps:
            return
        told = [
            ToldGap(gap.kind, gap.symbol, gap.from_us, gap.to_us, gap.reason)
            for gap in gaps
        ]
        content = Gaps(self._broker, self._publisher.epoch, told)
        message = beat_group(self._broker), encode_message(content)
        try:
            await self._layer.group_send_many([message])
        except (RedisError, OSError):
            return  # the publisher says that Redis is away
        _forget(self._untold, gaps)


async def _wait(event: asyncio.Event) -> None:
    """Return when the event is set, or after a while."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_S):
            await event.wait()
    event.clear()


def _forget(waiting: deque, done: list) -> None:  # type: ignore[type-arg]
    """Take out what was done; more may have come behind it meanwhile."""
    for item in done:
        if waiting and waiting[0] is item:
            waiting.popleft()
