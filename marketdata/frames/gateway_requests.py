"""Requests of the gateway dialect: JSON text to checked values (COMPAT C-03..C-07).

`{"action":"subscribe","symbols":["AAPL","tsla"]}`, `unsubscribe`, `{"action":"ping"}`.
Symbols are any 1 to 10 characters, upper-cased and not trimmed. Error texts begin as
server C's; what follows in a bad list of symbols was a validator's dump there.
"""

import msgspec

from marketdata.exceptions import InvalidField
from marketdata.frames.fields import Fields, describe
from marketdata.frames.json_texts import decode_json

MAX_SYMBOL_LENGTH = 10
MAX_UNSUBSCRIBED = 1_000  # "any number", bounded as lists of symbols are elsewhere
_MAX_ECHOED = 40

NO_ACTION = "Invalid message format: missing action field"


class Subscribe(msgspec.Struct, frozen=True):
    """Follow symbols: upper case, each once, in the client's order."""

    symbols: tuple[str, ...]


class Unsubscribe(msgspec.Struct, frozen=True):
    """Stop following symbols: upper case, each once, in the client's order."""

    symbols: tuple[str, ...]


class Ping(msgspec.Struct, frozen=True):
    """Answer with a pong."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a frame is not served; ``is_malformed`` if it was no request at all."""

    message: str
    is_malformed: bool = False


Request = Subscribe | Unsubscribe | Ping


def parse_request(text: str | bytes, *, max_symbols: int) -> Request | Refusal:
    """Return the request of a frame, or what is wrong with it.

    Server C reads binary frames as it does texts. One `subscribe` can name at most
    ``max_symbols``.
    """
    try:
        value = decode_json(text)
    except ValueError as exc:
        return Refusal(str(exc), is_malformed=True)
    action = value.get("action") if isinstance(value, dict) else None
    if not isinstance(action, str) or not action:
        return Refusal(NO_ACTION, is_malformed=True)
    try:
        return _request(action, Fields(value), max_symbols)
    except InvalidField as exc:
        return Refusal(f"Invalid {action} message: {exc}")


def _request(action: str, fields: Fields, max_symbols: int) -> Request | Refusal:
    match action:
        case "subscribe":
            return Subscribe(_symbols(fields, limit=max_symbols))
        case "unsubscribe":
            return Unsubscribe(_symbols(fields, limit=MAX_UNSUBSCRIBED))
        case "ping":
            return Ping()
    return Refusal(f"Unknown action: {action:.{_MAX_ECHOED}}", is_malformed=True)


def _symbols(fields: Fields, *, limit: int) -> tuple[str, ...]:
    symbols = fields.texts("symbols", limit=limit)
    if not symbols:
        raise InvalidField("symbols", "a list of at least one symbol", "none")
    for index, symbol in enumerate(symbols):
        if not 1 <= len(symbol) <= MAX_SYMBOL_LENGTH:
            expected = f"1 to {MAX_SYMBOL_LENGTH} characters"
            raise InvalidField(f"symbols[{index}]", expected, describe(symbol))
    return tuple(dict.fromkeys(symbol.upper() for symbol in symbols))
