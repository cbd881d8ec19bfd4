"""One private feed: a connection with a client's credentials, and its way to hubs."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import structlog

from brokers.connection import FeedState, KeptConnection, Timing
from brokers.demand import Change
from brokers.exceptions import FeedLost, FeedRefused
from brokers.feed import Emit, Feed, FollowedInstrument, OnGap
from brokers.gap_watch import GapWatch
from brokers.hub_link import HubLink
from brokers.run_together import run_together
from marketdata.broker_credentials import Credentials
from marketdata.publisher import Publisher
from marketdata.records import Kind, Record
from marketdata.topics import PRIVATE_KINDS, Topic, topic_of

CHECK_TIMEOUT_S = 10.0
_LOOK_S = 0.02
_DRAIN_S = 1.0
_RESTART_S = 1.0

log = structlog.get_logger(__name__)


class GuardedFeed:
    """A feed with a client's credentials.

    Whatever goes wrong in it is a lost connection, and told without the credentials.
    ``name`` is for logs.
    """

    def __init__(self, feed: Feed, credentials: Credentials, name: str) -> None:
        self.broker = name
        self.is_simulated = feed.is_simulated
        self._feed = feed
        self._credentials = credentials
        self.counters = feed.counters

    def follow(self, instruments: Sequence[FollowedInstrument]) -> None:
        """Deliver exactly these from now on."""
        self._feed.follow(instruments)

    def tell_gaps(self, tell: OnGap) -> None:
        """Have ``tell`` called with what the feed itself sees missing."""
        if hasattr(self._feed, "on_gap"):
            self._feed.on_gap = tell

    async def run(self, emit: Emit) -> None:
        """Connect once and hand records to ``emit`` until the connection ends.

        Raises:
            FeedLost: the connection ended or could not be made. Never returns.
        """
        await self._guard(self._feed.run(emit))

    async def check(self, probe: Sequence[FollowedInstrument]) -> None:
        """Return if the broker accepts the credentials.

        A feed with a method ``check_access`` asks by that, another one by following
        ``probe`` until something came.

        Raises:
            FeedRefused: it does not accept them.
            FeedLost: it could not be asked.
        """
        check_access = getattr(self._feed, "check_access", None)
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                if check_access is not None:
                    await self._guard(check_access())
                else:
                    self.follow(probe)
                    await run_together(
                        self.run(lambda records: None), self._wait_for_frame()
                    )
        except TimeoutError:
            raise FeedLost(f"no answer within {CHECK_TIMEOUT_S:g} s") from None
        finally:
            self.follow(())

    async def _wait_for_frame(self) -> None:
        received = self.counters.received
        while self.counters.received == received:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)

    async def _guard(self, running: Awaitable[None]) -> None:
        try:
            await running
        except FeedRefused as exc:
            refused = FeedRefused(exc.status, exc.retry_after_s)
            refused.args = (self._credentials.hide(str(exc)),)
            raise refused from None
        except FeedLost as exc:
            lost = FeedLost(self._credentials.hide(str(exc)))
            lost.retry_after_s = exc.retry_after_s
            raise lost from None
        except Exception as exc:  # a defect of the adapter: nobody else shall suffer
            raise FeedLost(type(exc).__name__) from None


class PrivateOutputs(NamedTuple):
    """Where a private feed's records and gaps go, and who follows them."""

    publisher: Publisher
    hubs: HubLink
    gaps: GapWatch


class PrivateFeed:
    """A private feed that runs: connected while somebody follows something.

    ``is_new`` False: it was open before, in another process, so its clients are told
    when it is back.
    """

    def __init__(
        self,
        feed: GuardedFeed,
        outputs: PrivateOutputs,
        timing: Timing,
        *,
        is_new: bool,
    ) -> None:
        self._connection = KeptConnection(feed, timing)
        self._publisher, self._hubs, self._gaps = outputs
        self._is_starting = is_new
        self._instruments: Mapping[str, FollowedInstrument] = {}
        self._topics: set[Topic] = set()
        self._log = log.bind(broker=feed.broker)
        self._hubs.on_change = self._change
        self._gaps.followed = lambda: self._connection.followed
        self._connection.on_state = self._gaps.enter
        feed.tell_gaps(self._gaps.tell)

    @property
    def is_live(self) -> bool:
        """Return False while the broker's records do not reach us.

        The first connection is no news: it is made because somebody begins to follow.
        """
        state = self._connection.state
        if state is FeedState.LOST:
            self._is_starting = False
        return self._is_starting or self._connection.is_live

    def is_recorded(self, symbol: str) -> bool:
        """Return False: private records are never stored."""
        return False

    def use(self, instruments: Mapping[str, FollowedInstrument]) -> None:
        """Follow what hubs want of these, by symbol."""
        self._instruments = instruments
        self._follow()

    async def run(self) -> None:
        """Publish and answer hubs until cancelled."""
        await self._gaps.prepare()
        try:
            while True:
                try:
                    await run_together(
                        self._connection.run(self._emit),
                        self._hubs.run(self),
                        self._gaps.run(),
                    )
                except Exception as exc:  # no traceback: its text may hold anything
                    self._log.error("private feed failed", error=type(exc).__name__)
                await asyncio.sleep(_RESTART_S)
        finally:
            await self._publisher.drain(_DRAIN_S)

    def _emit(self, records: Sequence[Record]) -> None:
        private = [item for item in records if topic_of(item).kind in PRIVATE_KINDS]
        if self._gaps.is_open:
            self._gaps.take(private)
        self._publisher.publish(private)

    def _change(self, change: Change) -> None:
        self._topics.difference_update(change.removed)
        self._topics.update(change.added)
        self._follow()

    def _follow(self) -> None:
        kinds: dict[str, set[Kind]] = {}
        for topic in self._topics:
            kinds.setdefault(topic.symbol, set()).add(topic.kind)
        followed = [
            msgspec.structs.replace(
                self._instruments[symbol], is_recorded=False, kinds=frozenset(wanted)
            )
            for symbol, wanted in sorted(kinds.items())
            if symbol in self._instruments
        ]
        if followed or self._connection.followed:
            self._connection.follow(followed)
