"""One client's state in the stream dialect: frames in, effects out (PROTOCOL 2)."""

from collections.abc import Iterable, Sequence
from functools import partial

import msgspec

from marketdata.catalog import Catalog
from marketdata.codes import CloseCode, ErrorCode
from marketdata.dialects import Dialect, Figures, Opening, ServerFacts
from marketdata.effects import Close, Effect, Follow, Join, Leave, Positions, Send
from marketdata.encodings import Encoding
from marketdata.exceptions import (
    AuthRequired,
    Forbidden,
    InvalidField,
    MarketDataError,
    SubscriptionLimit,
)
from marketdata.frames import stream_replies as replies
from marketdata.frames import stream_requests as requests
from marketdata.frames.stream import encoding_of
from marketdata.frames.stream_names import (
    Event,
    Stream,
    find_stream,
    names_in_path,
    names_in_query,
)
from marketdata.frames.stream_requests import Property
from marketdata.topics import Topic

# Of a client whose plan conflates; Binance sends book tickers as they come.
BOOK_TICKER_CONFLATE_MS = 250

_NO_AUTH = "authentication required: connect with ?token= or an Authorization header"


class StreamSession:
    """What one socket follows, and the answers to its requests.

    A request is served as a whole or, answered by an error, not at all.
    """

    def __init__(
        self, facts: ServerFacts, opening: Opening, *, is_combined: bool
    ) -> None:
        self.client = opening.client
        self._opening = opening
        self._properties = {
            Property.COMBINED: is_combined,
            Property.SEQ: False,
            Property.SNAPSHOT: False,
        }
        self._streams: dict[str, Stream] = {}

    @property
    def subscription_count(self) -> int:
        """Number of streams that the session follows, silent ones included."""
        return len(self._streams)

    def open(self, catalog: Catalog) -> Sequence[Effect]:
        """Follow what the address names; nothing is sent for that."""
        if self._properties[Property.COMBINED]:
            names = names_in_query(self._opening.query)
        else:
            names = names_in_path(self._opening.path)
        if not names:
            return []
        parsed = requests.Parsed(msgspec.UNSET, requests.Subscribe(tuple(names)))
        return self._reply(parsed, catalog)

    def receive(
        self, text: str | bytes, *, catalog: Catalog, now_us: int
    ) -> Sequence[Effect]:
        """Return the answer to a frame, and what it changes."""
        return self._reply(requests.parse_request(text), catalog)

    def heartbeat(self, now_us: int, figures: Figures) -> bytes | None:
        """Return None: WebSocket pings are enough for these clients."""
        return None

    def error(
        self, code: ErrorCode, message: str, *, text: str | bytes = ""
    ) -> bytes | None:
        """Return the frame of an error that the session did not find itself."""
        request_id = requests.parse_request(text).id if text else msgspec.UNSET
        return replies.encode_failure(code, message, request_id)

    def end(self, code: CloseCode, message: str, *, reconnect_ms: int = 0) -> Close:
        """Return the last frame and the close code."""
        return Close(code, message, replies.encode_end(code, message))

    def _reply(self, parsed: requests.Parsed, catalog: Catalog) -> Sequence[Effect]:
        if isinstance(parsed.request, requests.Refusal):
            code, message = parsed.request.code, parsed.request.message
            frame = replies.encode_error(code, message, parsed.id)
            return [Send(frame, parsed.request.is_malformed)]
        try:
            return self._answer(parsed, catalog)
        except MarketDataError as exc:
            return [Send(replies.encode_failure(exc.code, str(exc), parsed.id))]

    def _answer(self, parsed: requests.Parsed, catalog: Catalog) -> Sequence[Effect]:
        if self.client.is_required_to_auth:
            raise AuthRequired(_NO_AUTH)
        match parsed.request:
            case requests.Subscribe(names):
                return self._subscribe(names, parsed.id, catalog)
            case requests.Unsubscribe(names):
                return self._unsubscribe(names, parsed.id, catalog)
            case requests.ListSubscriptions():
                return [Send(replies.encode_result(list(self._streams), parsed.id))]
            case requests.SetProperty(name, value):
                return self._set_property(name, value, request_id=parsed.id)
            case requests.GetProperty(name):
                value = self._properties[name]
                return [Send(replies.encode_result(value, parsed.id))]
        raise AssertionError(parsed.request)

    def _subscribe(
        self, names: Iterable[str], request_id: requests.RequestId, catalog: Catalog
    ) -> Sequence[Effect]:
        new = {}
        for text in names:
            stream = find_stream(text, catalog)
            self._check_allowed(stream)
            known = self._streams.get(stream.name)
            if known is None or known.topic is None:
                new[stream.name] = stream
        limit = self.client.plan.subscriptions
        if len(self._streams | new) > limit:
            raise SubscriptionLimit(limit)
        self._streams |= new
        follows = tuple(
            self._follow(stream, stream.topic, snapshot=True)
            for stream in new.values()
            if stream.topic is not None
        )
        return _join(follows, request_id)

    def _unsubscribe(
        self, names: Iterable[str], request_id: requests.RequestId, catalog: Catalog
    ) -> Sequence[Effect]:
        followed = dict.fromkeys(self._followed_name(text, catalog) for text in names)
        removed = [self._streams.pop(name) for name in followed if name is not None]
        pairs = self._pairs(removed)
        leave = [Leave(pairs)] if pairs else []
        return [*leave, *_acknowledge(request_id)]

    def _followed_name(self, text: str, catalog: Catalog) -> str | None:
        """Return the name of the stream that is followed, None if it is not."""
        if text in self._streams:
            return text
        try:
            name = find_stream(text, catalog).name
        except InvalidField:
            return None
        return name if name in self._streams else None

    def _set_property(
        self, name: Property, value: bool, *, request_id: requests.RequestId
    ) -> Sequence[Effect]:
        before = self._pairs(self._streams.values())
        self._properties[name] = value
        after = self._pairs(self._streams.values())
        gone = tuple(pair for pair in before if pair not in after)
        if not gone:
            return _acknowledge(request_id)
        follows = tuple(
            self._follow(stream, stream.topic, snapshot=False)
            for stream in self._streams.values()
            if stream.topic and (stream.topic, self._encoding(stream)) not in before
        )
        # Joined before left, so that no record falls between the two forms.
        return [*_join(follows, request_id), Leave(gone)]

    def _check_allowed(self, stream: Stream) -> None:
        plan, topic = self.client.plan, stream.topic
        if topic is not None and not plan.allows(topic.broker, stream.symbol):
            raise Forbidden(f"plan {plan.name!r} does not allow {stream.name}")

    def _follow(self, stream: Stream, topic: Topic, *, snapshot: bool) -> Follow:
        return Follow(
            topic,
            self._encoding(stream),
            snapshot=snapshot and self._has_snapshot(stream),
            conflate_ms=self._conflate_ms(stream),
            whole_books=_is_of_books(stream),
        )

    def _has_snapshot(self, stream: Stream) -> bool:
        # The last record of server B's depth is a change, nothing to begin with.
        is_of_changes = stream.form is None and stream.name.startswith("depth@")
        return self._properties[Property.SNAPSHOT] and not is_of_changes

    def _conflate_ms(self, stream: Stream) -> int | None:
        form = stream.form
        if form is None:
            return None
        if form.event is Event.BOOK_TICKER and self.client.plan.is_conflated:
            return BOOK_TICKER_CONFLATE_MS
        return form.every_ms

    def _encoding(self, stream: Stream) -> Encoding:
        return encoding_of(
            stream,
            is_combined=self._properties[Property.COMBINED],
            is_numbered=self._properties[Property.SEQ],
        )

    def _pairs(self, streams: Iterable[Stream]) -> tuple[tuple[Topic, Encoding], ...]:
        return tuple(
            (stream.topic, self._encoding(stream))
            for stream in streams
            if stream.topic is not None
        )


COMBINED_STREAM = Dialect("stream", partial(StreamSession, is_combined=True))
RAW_STREAM = Dialect("stream", partial(StreamSession, is_combined=False))


def _is_of_books(stream: Stream) -> bool:
    return stream.form is not None and stream.form.event is Event.PARTIAL_DEPTH


def _join(
    follows: tuple[Follow, ...], request_id: requests.RequestId
) -> Sequence[Effect]:
    if not follows:
        return _acknowledge(request_id)
    return [Join(follows, partial(_acknowledgement, request_id))]


def _acknowledge(request_id: requests.RequestId) -> Sequence[Effect]:
    frame = _acknowledgement(request_id)
    return [Send(frame)] if frame is not None else []


def _acknowledgement(
    request_id: requests.RequestId, positions: Positions | None = None
) -> bytes | None:
    """Return the reply to a request that asks for nothing; None without an id."""
    if request_id is msgspec.UNSET:
        return None
    return replies.encode_result(None, request_id)
