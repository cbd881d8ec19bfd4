"""The private feeds of a broker in its feed process: opened for hubs, and closed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import django.db
import msgspec
import structlog

from brokers.account_check import NotAccepted, ask_broker
from brokers.connection import Timing
from brokers.exceptions import BrokerError, FeedLost
from brokers.feed import Feed, FollowedInstrument
from brokers.former_feeds import FormerFeeds
from brokers.gap_watch import GapWatch
from brokers.hub_link import HubLink, Layers
from brokers.private_answers import Answers
from brokers.private_feed import GuardedFeed, PrivateFeed, PrivateOutputs
from brokers.run_together import run_together
from marketdata.broker_credentials import Credentials
from marketdata.exceptions import InvalidLayerMessage, MarketDataError
from marketdata.layers import Message
from marketdata.membership import Membership
from marketdata.private_feeds import Layer
from marketdata.private_messages import (
    PrivateClose,
    PrivateOpen,
    decode_private,
    private_group,
)
from marketdata.publisher import BatchLayer, Publisher
from marketdata.topics import source_name

MAX_CHECKS = 4  # at a time
EXPIRE_EVERY_S = 1.0

LoadInstruments = Callable[[], Awaitable[Sequence[FollowedInstrument]]]
# None: the broker has no private feeds.
Build = Callable[[Credentials], Feed] | None

log = structlog.get_logger(__name__)


class PrivateOptions(msgspec.Struct, frozen=True):
    """``max_feeds`` at a time; a hub that is silent for ``expiry_s`` has died.

    ``epoch`` is higher than those of processes that served before.
    """

    timing: Timing
    epoch: int
    expiry_s: float = 30.0
    max_feeds: int = 100


class _Open:
    """A private feed, checked or being checked; until when hubs want it."""

    def __init__(self, feed: GuardedFeed) -> None:
        self.feed = feed
        self.hubs: dict[str, float] = {}
        self.running: PrivateFeed | None = None
        self.task: asyncio.Task[None] | None = None


class PrivateService:
    """Opens the private feeds of ``broker`` that hubs ask for, one for each owner."""

    def __init__(
        self,
        broker: str,
        build: Build,
        layers: tuple[BatchLayer, Layer],
        load_instruments: LoadInstruments,
        options: PrivateOptions,
    ) -> None:
        self._broker = broker
        self._build = build
        self._layers = layers
        self._membership = Membership(layers[1])
        self._load_instruments = load_instruments
        self._options = options
        self._instruments: dict[str, FollowedInstrument] = {}
        self._are_wanted = asyncio.Event()
        self._have_loaded = asyncio.Event()
        self._open: dict[str, _Open] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._former = FormerFeeds(options.epoch)
        self._checks = asyncio.Semaphore(MAX_CHECKS)
        self._answers = Answers(broker, layers[1])
        self._log = log.bind(broker=broker)

    async def run(self) -> None:
        """Serve until cancelled, then close all."""
        self._membership.join(
            private_group(self._broker), self._hear, on_joined=self._begin
        )
        try:
            await run_together(self._answers.run(), self._expire(), self._refresh())
        finally:
            tasks = [item.task for item in self._open.values() if item.task]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._membership.close()

    def _begin(self) -> None:
        self._answers.hello()
        self._log.info("private feeds served", supported=self._build is not None)

    # What hubs say

    def _hear(self, message: Message) -> None:
        try:
            content = decode_private(message)
        except InvalidLayerMessage as exc:
            self._log.warning("message of a hub cannot be read", error=str(exc))
            return
        match content:
            case PrivateOpen():
                self._hear_open(content)
            case PrivateClose(hub, owner) if owner in self._open:
                self._open[owner].hubs.pop(hub, None)
                self._close_unwanted(owner)

    def _hear_open(self, wish: PrivateOpen) -> None:
        now_s = time.monotonic()
        item = self._open.get(wish.owner)
        if item is None:
            reason = self._reason_against(wish.owner, now_s)
            made = reason or self._make(wish)
            if isinstance(made, str):
                self._answers.answer(wish.hub, wish.owner, made)
                return
            item = made
        item.hubs[wish.hub] = now_s + self._options.expiry_s
        if item.running is not None and not wish.is_checked:
            self._answers.answer(wish.hub, wish.owner)

    def _reason_against(self, owner: str, now_s: float) -> str | None:
        if self._build is None:
            return f"{self._broker} has no private feeds"
        reason = self._former.refusal(owner, now_s)
        if reason is not None:
            return reason
        if len(self._open) >= self._options.max_feeds:
            return "too many private feeds are open"
        return None

    def _make(self, wish: PrivateOpen) -> _Open | str:
        assert self._build is not None
        credentials = wish.credentials
        try:
            feed = self._build(credentials)
        except BrokerError as exc:
            return credentials.hide(str(exc))
        except Exception as exc:  # no traceback: its text may hold anything
            self._log.error("private feed not made", error=type(exc).__name__)
            return "internal error"
        self._are_wanted.set()
        name = source_name(self._broker, wish.owner[:8])
        item = self._open[wish.owner] = _Open(GuardedFeed(feed, credentials, name))
        life = self._live(wish.owner, item, is_checked=wish.is_checked)
        item.task = asyncio.create_task(life, name="private feed")
        return item

    # A feed's life

    async def _live(self, owner: str, item: _Open, *, is_checked: bool) -> None:
        reason = None if is_checked else await self._check(owner, item.feed)
        if reason is not None:
            del self._open[owner]
            for hub in item.hubs:
                self._answers.answer(hub, owner, reason)
            return
        if owner in self._ending:  # it still leaves the groups that we join
            await asyncio.wait({self._ending[owner]})
        publisher = Publisher(
            self._layers[0], self._former.next_epoch(owner), owner=owner
        )
        source, layers = source_name(self._broker, owner), Layers(*self._layers)
        hubs = HubLink(source, publisher, layers, expiry_s=self._options.expiry_s)
        gaps = GapWatch(source, publisher, layers.data, None)
        outputs = PrivateOutputs(publisher, hubs, gaps)
        item.running = PrivateFeed(
            item.feed, outputs, self._options.timing, is_new=not is_checked
        )
        item.running.use(self._instruments)
        self._log.info("private feed opened", owner=owner[:8], open=len(self._open))
        for hub in item.hubs:
            self._answers.answer(hub, owner)
        await item.running.run()

    async def _check(self, owner: str, feed: GuardedFeed) -> str | None:
        """Return why the broker does not open the feed, None if it does."""
        async with self._checks:
            await self._have_loaded.wait()
            try:
                await ask_broker(feed, list(self._instruments.values())[:1])
            except NotAccepted as exc:
                self._log.info("private feed refused", owner=owner[:8])
                self._former.note_refusal(owner, str(exc), time.monotonic())
                return str(exc)
            except FeedLost as exc:
                return str(exc)
        return None

    def _close_unwanted(self, owner: str) -> None:
        item = self._open[owner]
        if item.hubs:
            return
        del self._open[owner]
        if item.task is not None:
            item.task.cancel()
            self._ending[owner] = item.task
            item.task.add_done_callback(lambda task: self._forget(owner, task))
        self._log.info("private feed closed", owner=owner[:8], open=len(self._open))

    def _forget(self, owner: str, task: asyncio.Task[None]) -> None:
        if self._ending.get(owner) is task:
            del self._ending[owner]

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_EVERY_S)
            now_s = time.monotonic()
            for owner, item in list(self._open.items()):
                for hub in [hub for hub, end_s in item.hubs.items() if end_s <= now_s]:
                    del item.hubs[hub]
                self._close_unwanted(owner)

    async def _refresh(self) -> None:
        """Load at intervals what the broker carries, once there was a feed."""
        await self._are_wanted.wait()
        while True:
            try:
                found = await self._load_instruments()
            except (django.db.Error, MarketDataError) as exc:  # what we have stays
                self._log.warning("cannot load instruments", error=str(exc))
            else:
                self._instruments = {item.symbol: item for item in found}
                for item in self._open.values():
                    if item.running is not None:
                        item.running.use(self._instruments)
            self._have_loaded.set()
            await asyncio.sleep(self._options.timing.refresh_s)
