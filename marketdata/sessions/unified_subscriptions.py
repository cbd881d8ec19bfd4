"""What one client of the unified dialect follows, and how that changes."""

from collections.abc import Iterable, Sequence
from functools import partial

import msgspec

from marketdata.catalog import Catalog, Instrument
from marketdata.clients import Plan
from marketdata.effects import Effect, Follow, Join, Leave, Send
from marketdata.exceptions import (
    Forbidden,
    InvalidSymbol,
    MarketDataError,
    SubscriptionLimit,
    UnknownSymbol,
    UnsupportedSince,
)
from marketdata.frames import unified
from marketdata.frames.unified import UNIFIED_ENCODING
from marketdata.frames.unified_replies import (
    Rejected,
    Wanted,
    describe_topic,
    encode_rejected,
    encode_subscribed,
    rejection,
    summary,
)
from marketdata.frames.unified_requests import Parsed, Subscribe, Unsubscribe
from marketdata.records import Kind
from marketdata.sessions.unified_topics import (
    find_topic,
    has_past,
    is_meant,
    wants_snapshot,
)
from marketdata.symbols import canonical
from marketdata.topics import PRIVATE_KINDS, Topic

# A print that was left out would be missing from every sum (PROTOCOL 1.3).
_NEVER_CONFLATED = (Kind.TRADE,)


_NO_PAST = UnsupportedSince("order books are not stored: a snapshot comes instead")
_NO_PRIVATE_PAST = UnsupportedSince(
    "private records are not stored: a snapshot comes instead"
)


class _Subscription(msgspec.Struct, frozen=True):
    """A topic that is followed, and what `list` says of it."""

    display: str
    is_conflated: bool
    conflate_ms: int

    @property
    def delivery(self) -> str:
        return "conflate" if self.is_conflated else "full"


class Subscriptions:
    """The topics that a session follows; one of them is one of the plan's."""

    def __init__(self) -> None:
        self._followed: dict[Topic, _Subscription] = {}
        self._owners: dict[str, str] = {}  # of private feeds, by broker

    def __len__(self) -> int:
        return len(self._followed)

    def add(
        self, parsed: Parsed, request: Subscribe, catalog: Catalog, plan: Plan
    ) -> Sequence[Effect]:
        """Follow what the request names, as far as the plan allows."""
        wanted: list[Wanted] = []
        rejected: list[Rejected] = []
        before = set(self._followed)
        for symbol in request.symbols:
            try:
                instrument = catalog.find(symbol)
                broker = catalog.route(instrument, request.broker, self._owners)
            except MarketDataError as exc:
                rejected.append(rejection(symbol, exc))
                continue
            for kind in request.types:
                try:
                    source, owner = broker, self._owners.get(broker.name, "")
                    if owner and kind not in PRIVATE_KINDS:
                        source, owner = catalog.route(instrument, request.broker), ""
                    topic = find_topic(kind, source, instrument, request, owner)
                    self._follow(topic, instrument, request, plan)
                except MarketDataError as exc:
                    rejected.append(rejection(symbol, exc))
                else:
                    wanted.append(Wanted(symbol, topic, instrument))
                    if request.since is not None and not has_past(topic):
                        why = _NO_PRIVATE_PAST if owner else _NO_PAST
                        rejected.append(rejection(symbol, why))
        if not wanted:
            return [Send(encode_rejected(parsed, rejected))]
        follows = self._follows((item.topic for item in wanted), request, before)
        return [Join(follows, partial(encode_subscribed, parsed, wanted, rejected))]

    def remove(
        self, parsed: Parsed, request: Unsubscribe, catalog: Catalog
    ) -> Sequence[Effect]:
        """Stop following what fits the request; nothing is fine, too."""
        asked, rejected = self._asked_symbols(request, catalog)
        if asked is not None and not asked:
            return [Send(encode_rejected(parsed, rejected))]
        topics = [
            topic
            for topic in self._followed
            if (asked is None or topic.symbol in asked) and is_meant(topic, request)
        ]
        removed = [
            describe_topic(
                topic,
                self._followed.pop(topic).display,
                requested=asked[topic.symbol] if asked else None,
            )
            for topic in topics
        ]
        frame = unified.encode_status(
            id=parsed.id,
            action=parsed.action,
            message=summary("Unsubscribed from", len(topics), len(rejected)),
            accepted=removed,
            rejected=rejected,
        )
        pairs = tuple((topic, UNIFIED_ENCODING) for topic in topics)
        return [Leave(pairs), Send(frame)]

    def use_private(self, broker: str, owner: str) -> Sequence[Effect]:
        """Follow a private feed of the broker, also where the public one is now."""
        self._owners[broker] = owner
        moved = [
            topic
            for topic in self._followed
            if topic.broker == broker
            and topic.kind in PRIVATE_KINDS
            and topic.owner != owner
        ]
        if not moved:
            return []
        follows = []
        for topic in moved:
            item = self._followed.pop(topic)
            private = msgspec.structs.replace(topic, owner=owner)
            self._followed[private] = item
            interval_ms = item.conflate_ms if item.is_conflated else None
            follows.append(
                Follow(private, UNIFIED_ENCODING, True, conflate_ms=interval_ms)
            )
        leave = Leave(tuple((topic, UNIFIED_ENCODING) for topic in moved))
        return [leave, Join(tuple(follows), lambda positions: None)]

    def list(self, parsed: Parsed) -> bytes:
        """Return the frame that names what is followed."""
        subscriptions = [
            describe_topic(topic, item.display, delivery=item.delivery)
            for topic, item in self._followed.items()
        ]
        return unified.encode_status(
            action=parsed.action, id=parsed.id, subscriptions=subscriptions
        )

    def _follow(
        self, topic: Topic, instrument: Instrument, request: Subscribe, plan: Plan
    ) -> None:
        if not plan.allows(topic.broker, topic.symbol):
            raise Forbidden(
                f"plan {plan.name!r} does not allow {instrument.display} of "
                f"{topic.broker}"
            )
        if topic not in self._followed and len(self) >= plan.subscriptions:
            raise SubscriptionLimit(plan.subscriptions)
        is_conflated = request.is_conflated
        if is_conflated is None:
            is_conflated = plan.is_conflated
        self._followed[topic] = _Subscription(
            instrument.display,
            is_conflated and topic.kind not in _NEVER_CONFLATED,
            request.conflate_ms,
        )

    def _follows(
        self, topics: Iterable[Topic], request: Subscribe, before: set[Topic]
    ) -> tuple[Follow, ...]:
        return tuple(
            Follow(
                topic,
                UNIFIED_ENCODING,
                snapshot=wants_snapshot(topic, request) and topic not in before,
                since=request.since if has_past(topic) else None,
                conflate_ms=request.conflate_ms
                if self._followed[topic].is_conflated
                else None,
            )
            for topic in dict.fromkeys(topics)
        )

    def _asked_symbols(
        self, request: Unsubscribe, catalog: Catalog
    ) -> tuple[dict[str, str] | None, Sequence[Rejected]]:
        """Return requested spelling by symbol (None: all), and what is no symbol."""
        if request.symbols is None:
            return None, []
        followed = {topic.symbol for topic in self._followed}
        asked, rejected = {}, []
        for text in request.symbols:
            try:
                asked[_followed_symbol(text, followed, catalog)] = text
            except (InvalidSymbol, UnknownSymbol) as exc:
                rejected.append(rejection(text, exc))
        return asked, rejected


def _followed_symbol(text: str, followed: set[str], catalog: Catalog) -> str:
    """Return the symbol; one that is followed needs no instrument any more."""
    symbol = canonical(text)
    return symbol if symbol in followed else catalog.find(text).symbol
