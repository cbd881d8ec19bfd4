"""A feed's talk with hubs: hears what they follow, tells where those topics are."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

import structlog

from brokers.beats import Beats
from brokers.demand import EXPIRY_S, Change, DemandBook
from brokers.run_together import run_together
from marketdata.exceptions import InvalidLayerMessage
from marketdata.layer_messages import Demand, decode_message, demand_group
from marketdata.layers import Message
from marketdata.membership import GroupLayer, Membership
from marketdata.publisher import BatchLayer, Publisher
from marketdata.records import Kind
from marketdata.topics import Topic

EXPIRE_EVERY_S = 1.0
_STORED_KINDS = frozenset({Kind.TICK, Kind.TRADE, Kind.CANDLE})

log = structlog.get_logger(__name__)


class Layers(NamedTuple):
    """Where records and beats go, and where hubs are heard."""

    data: BatchLayer
    control: GroupLayer


class FeedFacts(Protocol):
    """What hubs are told of a feed."""

    @property
    def is_live(self) -> bool:
        """Whether the broker's records reach us."""

    def is_recorded(self, symbol: str) -> bool:
        """Whether the symbol's ticks and trades are stored."""


class Computed(Protocol):
    """Topics that are made here while they are followed: candles, tickers."""

    def change(self, change: Change) -> None:
        """Begin and end topics; others are ignored."""

    def when_ready(self, topic: Topic, do: Callable[[], None]) -> None:
        """Call ``do`` once the topic's first record was published; at once for others.

        At once, too, if the topic is ready, or is not followed.
        """

    async def run(self) -> None:
        """Publish what is due. Never returns."""


class HubLink:
    """Listens to the hubs of a broker's clients on the control layer, and answers.

    ``on_change`` is told what is newly followed and what no longer is.
    """

    def __init__(
        self,
        broker: str,
        publisher: Publisher,
        layers: Layers,
        *,
        computed: Computed | None = None,
        expiry_s: float = EXPIRY_S,
    ) -> None:
        self.on_change: Callable[[Change], None] = lambda change: None
        self._group = demand_group(broker)
        self._book = DemandBook(broker, expiry_s=expiry_s)
        self._publisher = publisher
        self._beats = Beats(broker, publisher, layers.data)
        self._membership = Membership(layers.control)
        self._computed = computed
        self._facts: FeedFacts | None = None
        self._log = log.bind(broker=broker)

    async def run(self, facts: FeedFacts) -> None:
        """Answer and show life until cancelled."""
        self._facts = facts
        hears = asyncio.Event()
        self._membership.join(self._group, self._hear, on_joined=hears.set)
        computed = [self._computed.run()] if self._computed else []
        try:
            await run_together(self._show_life(facts, hears), self._expire(), *computed)
        finally:
            await self._membership.close()

    async def _show_life(self, facts: FeedFacts, hears: asyncio.Event) -> None:
        # A hub that hears the first beat asks at once, and not again for 10 s.
        await hears.wait()
        await self._beats.run(lambda: facts.is_live, lambda: self._book.topics)

    def _hear(self, message: Message) -> None:
        try:
            demand = decode_message(message)
        except InvalidLayerMessage as exc:
            self._log.warning("message of a hub cannot be read", error=str(exc))
            return
        if not isinstance(demand, Demand):
            return
        self._apply(self._book.take(demand, time.monotonic()))
        for topic in demand.asked:
            if self._book.is_followed(topic):
                self._answer(topic)

    def _answer(self, topic: Topic) -> None:
        if self._computed is None:
            self._announce(topic)
        else:
            self._computed.when_ready(topic, lambda: self._announce(topic))

    def _announce(self, topic: Topic) -> None:
        facts = self._facts
        if facts is None:
            return
        self._publisher.announce(
            topic,
            is_recorded=topic.kind in _STORED_KINDS and facts.is_recorded(topic.symbol),
            is_live=facts.is_live,
        )

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_EVERY_S)
            self._apply(self._book.expire(time.monotonic()))

    def _apply(self, change: Change) -> None:
        if change.added or change.removed:
            if self._computed:
                self._computed.change(change)
            self.on_change(change)
