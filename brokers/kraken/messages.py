"""Reads Kraken's frames (WebSocket, version 1): bytes in, a tick or an event out. Pure.

A ticker, recorded: `[1924,{"a":["0.043090",44640,"44640.00000000"],"b":["0.042960",
15188,"15188.72189840"],"c":["0.042960","5000.00000000"],"v":[...],"p":[...],...},
"ticker","SC/EUR"]`: the channel's number; `a` best ask and `b` best bid, each price,
whole lots and size; `c` last trade; `v p t l h o` figures of today and of 24 hours; the
channel's name; the pair. It comes whenever one of them changes, and has no time.

Everything else is an object with an `event`: `subscriptionStatus`, with `status`
`subscribed`, `unsubscribed` or `error` and then `errorMessage`; `systemStatus`;
`heartbeat`, each second without data; `pong`.

Source: "WebSocket API v1" of Kraken's documentation; tests/payloads/kraken.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct, field

from brokers.exceptions import MalformedFrame
from marketdata.records import Tick

BROKER = "kraken"
_TICKER = b'"ticker"'

# Text such as "inf" passes as a float, so the upper bounds keep it out.
_PriceOrNone = Annotated[float, Meta(ge=0, le=1e18)]
_Size = Annotated[float, Meta(ge=0, le=1e30)]
_Side = tuple[_PriceOrNone, Raw, _Size]


class _Ticker(Struct):
    ask: _Side = field(name="a")
    bid: _Side = field(name="b")


class _Event(Struct):
    event: str = ""
    pair: str = ""
    status: str = ""
    error: str = field(name="errorMessage", default="")


class Alive(Struct, frozen=True):
    """A heartbeat, a pong, or a request that was done."""


class Refusal(Struct, frozen=True):
    """Kraken will not send the pair; ``message`` is its own."""

    pair: str
    message: str


class SystemStatus(Struct, frozen=True):
    """How the exchange is: `online`, `maintenance`, `cancel_only` and so on."""

    status: str


class IgnoredReason(Enum):
    """Why a frame that could be read gives no tick."""

    UNKNOWN_SYMBOL = "unknown symbol"
    UNKNOWN_EVENT = "unknown event"
    NO_QUOTE = "no quote"


class Ignored(Struct, frozen=True):
    """A frame that gives no tick; ``name`` is the pair or event."""

    reason: IgnoredReason
    name: str


Parsed = Tick | Alive | Refusal | SystemStatus | Ignored


def parse_frame(frame: bytes, received_us: int, symbols: Mapping[str, str]) -> Parsed:
    """Return what one frame says; ``symbols`` maps `XBT/USD` to the canonical symbol.

    Raises:
        MalformedFrame: not JSON, or a key is missing or unusable.
    """
    try:
        if frame[:1] == b"[":
            return _channel(_array_decoder.decode(frame), received_us, symbols)
        return _event(_event_decoder.decode(frame))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedFrame(BROKER, exc, frame) from exc


def _channel(
    parts: list[Raw], received_us: int, symbols: Mapping[str, str]
) -> Tick | Ignored:
    if len(parts) != 4 or bytes(parts[2]) != _TICKER:
        return Ignored(IgnoredReason.UNKNOWN_EVENT, "")
    pair = _text_decoder.decode(parts[3])
    symbol = symbols.get(pair)
    if symbol is None:
        return Ignored(IgnoredReason.UNKNOWN_SYMBOL, pair)
    ticker = _ticker_decoder.decode(parts[1])
    bid, _, bid_size = ticker.bid
    ask, _, ask_size = ticker.ask
    if not bid or not ask:
        return Ignored(IgnoredReason.NO_QUOTE, symbol)
    return Tick(
        broker=BROKER,
        symbol=symbol,
        time_us=received_us,
        received_us=received_us,
        bid=bid,
        ask=ask,
        bid_size=bid_size,
        ask_size=ask_size,
    )


def _event(read: _Event) -> Alive | Refusal | SystemStatus | Ignored:
    if read.event in ("heartbeat", "pong"):
        return Alive()
    if read.event == "subscriptionStatus":
        if read.status == "error":
            return Refusal(read.pair, read.error[:200])
        return Alive()
    if read.event == "systemStatus":
        return SystemStatus(read.status)
    return Ignored(IgnoredReason.UNKNOWN_EVENT, read.event)


# Not strict: prices and sizes are strings, read as floats in one pass.
_ticker_decoder = msgspec.json.Decoder(_Ticker, strict=False)
_event_decoder = msgspec.json.Decoder(_Event)
_array_decoder = msgspec.json.Decoder(list[Raw])
_text_decoder = msgspec.json.Decoder(str)
