"""Requests of the unified dialect: JSON text to checked values (PROTOCOL 1.2).

`{"action":"subscribe","symbols":["EUR/USD"],"types":["tick"],"id":7}`: see `Subscribe`
for the meaning of each key. Symbols and brokers are looked up later, by the session.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from marketdata.broker_credentials import MAX_CHARS, MAX_FIELDS, Credentials
from marketdata.effects import Resume
from marketdata.exceptions import (
    AuthFailed,
    BrokerAuthFailed,
    InvalidField,
    InvalidMessage,
    MarketDataError,
    UnknownAction,
)
from marketdata.frames.fields import Fields, describe
from marketdata.records import Kind
from marketdata.timeframes import PriceSide, Timeframe

MAX_SYMBOLS = 500  # per request; the reply names each, in about 100 bytes
MAX_TYPES = 10
INTERVALS = {
    item.value: item
    for item in (
        Timeframe.M1,
        Timeframe.M5,
        Timeframe.M15,
        Timeframe.H1,
        Timeframe.H4,
        Timeframe.H12,
        Timeframe.D1,
    )
}
PRICES = {item.value: item for item in PriceSide}
TYPES = {
    item.value: item for item in (Kind.TICK, Kind.TRADE, Kind.ORDERBOOK, Kind.CANDLE)
}
RequestId = str | int | None

_MAX_MS = 2**53  # the largest integer that every JSON reader has exactly


class Subscribe(msgspec.Struct, frozen=True, kw_only=True):
    """Follow ``symbols`` in each of ``types``.

    ``types`` keeps unknown names as text, to be rejected one by one. ``since`` is a
    time in ms or the last frame received. ``interval`` and ``price`` are for candles.
    ``is_conflated`` None leaves it to the client's plan.
    """

    symbols: tuple[str, ...]
    broker: str | None = None
    types: tuple[Kind | str, ...] = (Kind.TICK,)
    interval: Timeframe = Timeframe.M1
    price: PriceSide = PriceSide.MID
    snapshot: bool = True
    since: int | Resume | None = None
    is_conflated: bool | None = None
    conflate_ms: int = 250


class Unsubscribe(msgspec.Struct, frozen=True, kw_only=True):
    """Stop following; None means any, ``symbols`` None means all."""

    symbols: tuple[str, ...] | None
    broker: str | None = None
    types: tuple[Kind | str, ...] | None = None
    interval: Timeframe | None = None
    price: PriceSide | None = None


class ListSubscriptions(msgspec.Struct, frozen=True):
    """Name what the session follows."""


class Ping(msgspec.Struct, frozen=True):
    """Answer with a pong."""


class Auth(msgspec.Struct, frozen=True):
    """Identify the client by an API key or token of this server."""

    token: str


class Authenticate(msgspec.Struct, frozen=True):
    """Open a private feed of ``broker``."""

    broker: str
    credentials: Credentials


Request = Subscribe | Unsubscribe | ListSubscriptions | Ping | Auth | Authenticate


class Parsed(msgspec.Struct, frozen=True):
    """A request, or what is wrong with it; ``id`` is the client's own, echoed."""

    id: RequestId
    action: str
    request: Request | MarketDataError


def parse_request(text: str | bytes) -> Parsed:
    """Return the request of a text frame; errors are part of the value.

    A binary frame is given as bytes and is an error.
    """
    try:
        fields = _decode(text)
        request_id = _request_id(fields)
    except MarketDataError as exc:
        return Parsed(None, "", exc)
    action = fields.get("action")
    if not isinstance(action, str) or action not in _PARSERS:
        return Parsed(request_id, "", _unknown_action(action))
    try:
        return Parsed(request_id, action, _PARSERS[action](Fields(fields)))
    except MarketDataError as exc:
        return Parsed(request_id, action, exc)


def _decode(text: str | bytes) -> dict[str, Any]:
    if isinstance(text, bytes):
        raise InvalidMessage("a text frame", "a binary one")
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError) as exc:
        raise InvalidMessage("JSON", f"an error: {exc}") from exc
    except RecursionError as exc:
        raise InvalidMessage("JSON", "too many levels of nesting") from exc
    if not isinstance(value, dict):
        raise InvalidMessage("an object", describe(value))
    return value


def _request_id(fields: dict[str, Any]) -> RequestId:
    value = fields.get("id")
    if isinstance(value, str) and len(value) <= 100:
        return value
    if value is None or (type(value) is int and abs(value) < 2**63):
        return value
    raise InvalidField(
        "id", "a text of at most 100 characters or an integer", describe(value)
    )


def _unknown_action(action: object) -> MarketDataError:
    if action is None:
        return InvalidMessage("an action", "none")
    return UnknownAction(f"an action of {', '.join(_PARSERS)}", describe(action))


def _subscribe(fields: Fields) -> Subscribe:
    return Subscribe(
        symbols=_symbols(fields),
        broker=fields.text("broker"),
        types=_types(fields) or (Kind.TICK,),
        interval=fields.choice("interval", INTERVALS) or Timeframe.M1,
        price=fields.choice("price", PRICES) or PriceSide.MID,
        snapshot=fields.boolean("snapshot", default=True),
        since=_since(fields),
        is_conflated=fields.choice("delivery", {"full": False, "conflate": True}),
        conflate_ms=fields.integer("conflate_ms", 1, 60_000) or 250,
    )


def _unsubscribe(fields: Fields) -> Unsubscribe:
    return Unsubscribe(
        symbols=None if fields.value("symbols") == "all" else _symbols(fields),
        broker=fields.text("broker"),
        types=_types(fields),
        interval=fields.choice("interval", INTERVALS),
        price=fields.choice("price", PRICES),
    )


def _auth(fields: Fields) -> Auth:
    token = fields.value("auth") or fields.value("token")
    if not token or not isinstance(token, str):
        raise AuthFailed("Invalid authentication")
    return Auth(token)


def _authenticate(fields: Fields) -> Authenticate:
    broker, credentials = fields.text("broker"), fields.value("credentials")
    if not broker or not credentials:
        raise BrokerAuthFailed("Missing broker or credentials")
    if not isinstance(credentials, dict):
        # What was found is not shown: it may be a secret.
        raise InvalidField("credentials", "an object", "something else")
    values = {name: item for name, item in credentials.items() if item is not None}
    is_fit = len(values) <= MAX_FIELDS and all(
        isinstance(item, str) and len(item) + len(name) <= MAX_CHARS
        for name, item in values.items()
    )
    if not is_fit:
        raise InvalidField(
            "credentials", f"at most {MAX_FIELDS} texts", "something else"
        )
    return Authenticate(broker, Credentials(values))


def _symbols(fields: Fields) -> tuple[str, ...]:
    symbols = fields.texts("symbols", limit=MAX_SYMBOLS)
    if not symbols:
        raise InvalidField("symbols", "a list of at least one symbol", "none")
    return symbols


def _types(fields: Fields) -> tuple[Kind | str, ...] | None:
    names = fields.texts("types", limit=MAX_TYPES)
    return tuple(TYPES.get(name, name) for name in dict.fromkeys(names)) or None


def _since(fields: Fields) -> int | Resume | None:
    value = fields.value("since")
    if not isinstance(value, dict):
        return fields.integer("since", 0, _MAX_MS)
    inner = Fields(value)
    epoch, seq = inner.text("epoch"), inner.integer("seq", 0, 2**32)
    if epoch is None or seq is None:
        raise InvalidField("since", "epoch and seq", f"only {', '.join(value) or '{}'}")
    return Resume(epoch, seq, inner.integer("timestamp", 0, _MAX_MS))


_PARSERS: dict[str, Callable[[Fields], Request]] = {
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "list": lambda fields: ListSubscriptions(),
    "ping": lambda fields: Ping(),
    "auth": _auth,
    "authenticate": _authenticate,
}
