"""One client's state in the unified dialect: frames in, effects out (PROTOCOL 1)."""

from collections.abc import Sequence
from functools import partial

from marketdata.catalog import Broker, Catalog, Instrument
from marketdata.codes import ErrorCode
from marketdata.dialects import Dialect, ServerFacts
from marketdata.effects import Effect, Join, Leave, Send
from marketdata.exceptions import (
    AuthFailed,
    BrokerAuthFailed,
    InvalidSymbol,
    MarketDataError,
    SubscriptionLimit,
    UnknownSymbol,
    UnsupportedSince,
    UnsupportedType,
)
from marketdata.frames import unified
from marketdata.frames import unified_requests as requests
from marketdata.frames.unified_replies import (
    Rejected,
    Wanted,
    describe_topic,
    encode_failure,
    encode_rejected,
    encode_subscribed,
    rejection,
    summary,
)
from marketdata.records import Kind
from marketdata.symbols import canonical
from marketdata.topics import Topic

_NO_PRIVATE_FEEDS = "Authentication failed: private feeds are not served yet"


class UnifiedSession:
    """What one socket follows, and the answers to its requests."""

    def __init__(self, facts: ServerFacts) -> None:
        self._facts = facts
        self._displays: dict[Topic, str] = {}

    @property
    def subscription_count(self) -> int:
        """Number of topics that the session follows."""
        return len(self._displays)

    def open(self) -> Sequence[Effect]:
        """Return the welcome."""
        limits = {
            "subscriptions": self._facts.max_subscriptions,
            "frame_bytes": self._facts.max_frame_bytes,
            "queue_bytes": self._facts.max_queue_bytes,
        }
        frame = unified.encode_status(
            message="Connected to Market Data Server",
            server=self._facts.server,
            protocol=unified.PROTOCOL_VERSION,
            limits=limits,
            heartbeat_s=_whole(self._facts.heartbeat_s),
        )
        return [Send(frame)]

    def receive(
        self, text: str | bytes, *, catalog: Catalog, now_us: int
    ) -> Sequence[Effect]:
        """Return the answer to a frame, and what it changes."""
        parsed = requests.parse_request(text)
        match parsed.request:
            case requests.Subscribe() as request:
                return self._subscribe(parsed, request, catalog)
            case requests.Unsubscribe() as request:
                return self._unsubscribe(parsed, request, catalog)
            case requests.ListSubscriptions():
                return [Send(self._list(parsed))]
            case requests.Ping():
                return [Send(unified.encode_pong(parsed.id, now_us))]
            case requests.Auth():
                error: MarketDataError = AuthFailed("Invalid authentication")
            case requests.Authenticate():
                error = BrokerAuthFailed(_NO_PRIVATE_FEEDS)
            case MarketDataError() as found:
                error = found
        return [Send(encode_failure(parsed, error))]

    def heartbeat(self, now_us: int, *, sent: int, queued_bytes: int) -> bytes:
        """Return the heartbeat frame."""
        return unified.encode_heartbeat(now_us, sent=sent, queued_bytes=queued_bytes)

    def error(self, code: ErrorCode, message: str) -> bytes:
        """Return the frame of an error that no request caused."""
        return unified.encode_error(code, message)

    def shutdown(self, reconnect_after_ms: int) -> bytes:
        """Return the frame before the server stops."""
        return unified.encode_status(
            code="SHUTDOWN",
            reconnect_after_ms=reconnect_after_ms,
            message="Server shutting down",
        )

    def _subscribe(
        self, parsed: requests.Parsed, request: requests.Subscribe, catalog: Catalog
    ) -> Sequence[Effect]:
        wanted: list[Wanted] = []
        rejected: list[Rejected] = []
        before = set(self._displays)
        for symbol in request.symbols:
            try:
                instrument = catalog.find(symbol)
                broker = catalog.route(instrument, request.broker)
            except MarketDataError as exc:
                rejected.append(rejection(symbol, exc))
                continue
            for kind in request.types:
                try:
                    topic = self._follow(kind, broker, instrument, request.since)
                except MarketDataError as exc:
                    rejected.append(rejection(symbol, exc))
                else:
                    wanted.append(Wanted(symbol, topic, instrument))
        if not wanted:
            return [Send(encode_rejected(parsed, rejected))]
        topics = tuple(dict.fromkeys(item.topic for item in wanted))
        new = tuple(topic for topic in topics if topic not in before)
        reply = partial(encode_subscribed, parsed, wanted, rejected)
        return [Join(topics, reply, new if request.snapshot else ())]

    def _follow(
        self, kind: Kind | str, broker: Broker, instrument: Instrument, since: object
    ) -> Topic:
        """Return the topic, which the session follows from now on."""
        if isinstance(kind, str):
            names = ", ".join(requests.TYPES)
            raise UnsupportedType(f"expected a type of {names}, found {kind!r:.60}")
        if since is not None:
            raise UnsupportedSince("since is not served yet")
        if kind is Kind.CANDLE:
            raise UnsupportedType("live candles are not served yet")
        topic = Topic(kind, broker.name, instrument.symbol)
        if topic not in self._displays:
            if len(self._displays) >= self._facts.max_subscriptions:
                raise SubscriptionLimit(self._facts.max_subscriptions)
            self._displays[topic] = instrument.display
        return topic

    def _unsubscribe(
        self, parsed: requests.Parsed, request: requests.Unsubscribe, catalog: Catalog
    ) -> Sequence[Effect]:
        asked, rejected = self._asked_symbols(request, catalog)
        if asked is not None and not asked:
            return [Send(encode_rejected(parsed, rejected))]
        topics = [
            topic
            for topic in self._displays
            if (asked is None or topic.symbol in asked) and _is_meant(topic, request)
        ]
        removed = [
            describe_topic(
                topic,
                self._displays.pop(topic),
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
        return [Leave(tuple(topics)), Send(frame)]

    def _asked_symbols(
        self, request: requests.Unsubscribe, catalog: Catalog
    ) -> tuple[dict[str, str] | None, list[Rejected]]:
        """Return requested spelling by symbol (None: all), and what is no symbol."""
        if request.symbols is None:
            return None, []
        followed = {topic.symbol for topic in self._displays}
        asked, rejected = {}, []
        for text in request.symbols:
            try:
                asked[_followed_symbol(text, followed, catalog)] = text
            except (InvalidSymbol, UnknownSymbol) as exc:
                rejected.append(rejection(text, exc))
        return asked, rejected

    def _list(self, parsed: requests.Parsed) -> bytes:
        subscriptions = [
            describe_topic(topic, display, delivery="full")
            for topic, display in self._displays.items()
        ]
        return unified.encode_status(
            action=parsed.action, id=parsed.id, subscriptions=subscriptions
        )


UNIFIED = Dialect("unified", unified.encode_data, UnifiedSession)


def _followed_symbol(text: str, followed: set[str], catalog: Catalog) -> str:
    """Return the symbol; one that is followed needs no instrument any more."""
    symbol = canonical(text)
    return symbol if symbol in followed else catalog.find(text).symbol


def _is_meant(topic: Topic, request: requests.Unsubscribe) -> bool:
    return (
        (request.broker is None or topic.broker == request.broker.lower())
        and (request.types is None or topic.kind in request.types)
        and (request.interval is None or topic.timeframe in (None, request.interval))
        and (request.price is None or topic.price_side in (None, request.price))
    )


def _whole(seconds: float) -> float:
    """Return whole seconds as an integer: clients know `30`, not `30.0`."""
    return int(seconds) if seconds == int(seconds) else seconds
