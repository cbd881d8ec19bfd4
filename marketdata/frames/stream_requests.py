"""Requests of the stream dialect: JSON text to checked values (PROTOCOL 2).

`{"method":"SUBSCRIBE","params":["btcusdt@trade","trade@TATA_INR"],"id":1}`. Methods,
numbers and texts of errors are Binance's: "Live Subscribing/Unsubscribing to streams",
web-socket-streams.md of binance/binance-spot-api-docs, commit 060fe48d, read
2026-11-21; and "streams must be an array" as recorded. Names are looked up later, by
the session. Server B's clients may leave out the id: then nothing is acknowledged.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from marketdata.frames.fields import describe
from marketdata.frames.json_texts import decode_json

MAX_STREAMS = 1024  # per connection at Binance; more cannot be meant
MAX_ID_LENGTH = 36  # of a UUID's text

UNKNOWN_PROPERTY = 0
INVALID_VALUE = 1
INVALID_REQUEST = 2
INVALID_JSON = 3

NoId = msgspec.UnsetType
RequestId = str | int | None | NoId


class Property(StrEnum):
    """What a client can set for its connection.

    ``combined``, Binance's, is the envelope with the stream's name. ``seq`` adds seq
    and epoch to envelopes, ``snapshot`` begins subscriptions with the last record.
    """

    COMBINED = "combined"
    SEQ = "seq"
    SNAPSHOT = "snapshot"


class Subscribe(msgspec.Struct, frozen=True):
    """Follow streams."""

    names: tuple[str, ...]


class Unsubscribe(msgspec.Struct, frozen=True):
    """Stop following streams."""

    names: tuple[str, ...]


class ListSubscriptions(msgspec.Struct, frozen=True):
    """Name what the session follows."""


class SetProperty(msgspec.Struct, frozen=True):
    """Change a property of the session."""

    name: Property
    value: bool


class GetProperty(msgspec.Struct, frozen=True):
    """Tell a property of the session."""

    name: Property


class Refusal(msgspec.Struct, frozen=True):
    """Why a frame is not served; ``is_malformed`` if it was no request at all."""

    code: int
    message: str
    is_malformed: bool = False


Request = Subscribe | Unsubscribe | ListSubscriptions | SetProperty | GetProperty


class Parsed(msgspec.Struct, frozen=True):
    """A request, or what is wrong with it; ``id`` is UNSET if the client sent none."""

    id: RequestId
    request: Request | Refusal


def parse_request(text: str | bytes) -> Parsed:
    """Return the request of a text frame; errors are part of the value.

    A binary frame is given as bytes and is an error.
    """
    if isinstance(text, bytes):
        return _malformed(INVALID_JSON, "Invalid JSON: expected a text frame")
    try:
        value = decode_json(text)
    except ValueError as exc:
        return _malformed(INVALID_JSON, f"Invalid JSON: {exc}")
    if not isinstance(value, dict):
        found = describe(value)
        return _malformed(
            INVALID_REQUEST, f"Invalid request: expected an object, found {found}"
        )
    request_id = value.get("id", msgspec.UNSET)
    if not _is_id(request_id):
        expected = "request ID must be an unsigned integer"
        return Parsed(None, _invalid(expected))
    return Parsed(request_id, _request(value))


def _malformed(code: int, message: str) -> Parsed:
    return Parsed(None, Refusal(code, message, is_malformed=True))


def _invalid(message: str) -> Refusal:
    return Refusal(INVALID_REQUEST, f"Invalid request: {message}")


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_ID_LENGTH
    if type(value) is int:
        return -(2**63) <= value < 2**63
    return value is None or value is msgspec.UNSET


def _request(fields: dict[str, Any]) -> Request | Refusal:
    method = fields.get("method")
    if method is None:
        message = "Invalid request: missing field `method`"
        return Refusal(INVALID_REQUEST, message, is_malformed=True)
    parse = _PARSERS.get(method) if isinstance(method, str) else None
    if parse is None:
        found = f"`{method:.60}`" if isinstance(method, str) else describe(method)
        expected = ", ".join(f"`{name}`" for name in _PARSERS)
        message = (
            f"Invalid request: unknown variant {found}, expected one of {expected}"
        )
        return Refusal(INVALID_REQUEST, message, is_malformed=True)
    return parse(fields.get("params"))


def _names(params: Any) -> tuple[str, ...] | Refusal:
    if not isinstance(params, list):
        return _invalid("streams must be an array")
    if len(params) > MAX_STREAMS:
        return _invalid("too many parameters")
    if not all(isinstance(name, str) for name in params):
        return _invalid("stream names must be strings")
    return tuple(params)


def _subscribe(params: Any) -> Request | Refusal:
    names = _names(params)
    return names if isinstance(names, Refusal) else Subscribe(names)


def _unsubscribe(params: Any) -> Request | Refusal:
    names = _names(params)
    return names if isinstance(names, Refusal) else Unsubscribe(names)


def _list(params: Any) -> Request | Refusal:
    return _invalid("too many parameters") if params else ListSubscriptions()


def _set_property(params: Any) -> Request | Refusal:
    name = _property(params, count=2)
    if isinstance(name, Refusal):
        return name
    value = params[1] if len(params) > 1 else None
    if not isinstance(value, bool):
        return Refusal(INVALID_VALUE, "Invalid value type: expected Boolean")
    return SetProperty(name, value)


def _get_property(params: Any) -> Request | Refusal:
    name = _property(params, count=1)
    return name if isinstance(name, Refusal) else GetProperty(name)


def _property(params: Any, *, count: int) -> Property | Refusal:
    """Return the property that the first of at most ``count`` parameters names."""
    if not isinstance(params, list) or not params or not isinstance(params[0], str):
        return _invalid("property name must be a string")
    if len(params) > count:
        return _invalid("too many parameters")
    try:
        return Property(params[0])
    except ValueError:
        return Refusal(UNKNOWN_PROPERTY, "Unknown property")


_PARSERS: dict[str, Callable[[Any], Request | Refusal]] = {
    "SUBSCRIBE": _subscribe,
    "UNSUBSCRIBE": _unsubscribe,
    "LIST_SUBSCRIPTIONS": _list,
    "SET_PROPERTY": _set_property,
    "GET_PROPERTY": _get_property,
}
