"""Reads what other systems publish on Redis: servers B's and C's channels. Pure.

C's trades come on `channel:trade:AAPL` (COMPAT.md C-08, C-09, C-17):

    {"symbol":"AAPL","price":150.25,"volume":100,"timestamp":1704067200000,
     "conditions":["@","T"],"exchange":"NASDAQ"}

price per share, volume in shares, timestamp in ms; the last two may be absent. B's
engine publishes whole envelopes on the channel of the stream's name (B-04..B-07):

    {"stream":"trade@TATA_INR","data":{"e":"trade","t":7,"m":true,"p":"1000.50",...}}
"""

import re
from typing import Any

import msgspec

from brokers.exceptions import MalformedFrame
from marketdata.records import Foreign

BROKER = "redis"
GATEWAY_PATTERN = b"channel:trade:*"
MAX_PAYLOAD_BYTES = 64 * 1024

MAX_SYMBOL_LENGTH = 10  # C's own limit
_STREAM_NAME = re.compile(r"(trade|depth|ticker)@[!-~]{1,64}")
# Later than that, in ms, is no time; it would not fit where times go.
_MAX_TIMESTAMP_MS = 100_000_000_000_000


class _GatewayTrade(msgspec.Struct, gc=False, omit_defaults=True):
    """A trade as C sends it on: other fields are dropped, null is absent."""

    symbol: str
    price: int | float
    volume: int | float
    timestamp: int | float
    conditions: list[str] | None = None
    exchange: str | None = None


class _Envelope(msgspec.Struct, gc=False):
    """What must be true of B's payloads; they are sent on as they came."""

    stream: str
    data: dict[str, Any]


_decode_trade = msgspec.json.Decoder(_GatewayTrade).decode
_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_encode = msgspec.json.Encoder().encode


def gateway_name(channel: bytes) -> str | None:
    """Return the topic's name of C's channel, `trade:AAPL`; None if it is none of C's.

    The symbol's case does not count, as clients' symbols are in capitals.
    """
    parts = channel.decode(errors="replace").split(":")
    if len(parts) != 3 or not 1 <= len(parts[2]) <= MAX_SYMBOL_LENGTH:
        return None
    return f"trade:{parts[2].upper()}"


def gateway_symbol(name: str) -> str | None:
    """Return the symbol of a topic's name, `AAPL`; None if it is not C's."""
    prefix, _, symbol = name.partition(":")
    is_ours = prefix == "trade" and 1 <= len(symbol) <= MAX_SYMBOL_LENGTH
    return symbol if is_ours and ":" not in symbol else None


def is_stream_name(name: str) -> bool:
    """Return whether the name is one of B's; no other channel is ever subscribed."""
    return _STREAM_NAME.fullmatch(name) is not None


def parse_gateway_trade(name: str, payload: bytes, received_us: int) -> Foreign:
    """Return C's trade, with the payload that clients of the gateway get as `data`.

    Raises:
        MalformedFrame: it is not such a trade, or longer than 64 KiB.
    """
    _check_size(payload)
    try:
        trade = _decode_trade(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedFrame(BROKER, exc, payload) from exc
    if not trade.symbol.isupper():
        trade.symbol = trade.symbol.upper()
    timestamp = trade.timestamp
    is_time = 0 <= timestamp < _MAX_TIMESTAMP_MS
    return Foreign(
        broker=BROKER,
        symbol=name,
        time_us=int(timestamp * 1_000) if is_time else received_us,
        received_us=received_us,
        payload=_encode(trade),
    )


def parse_envelope(name: str, payload: bytes, received_us: int) -> Foreign:
    """Return what came on B's channel of the name, its text unchanged.

    Raises:
        MalformedFrame: it is not an envelope of that stream, or longer than 64 KiB.
    """
    _check_size(payload)
    try:
        envelope = _decode_envelope(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedFrame(BROKER, exc, payload) from exc
    if envelope.stream != name:
        reason = f"expected stream {name}, found {envelope.stream[:80]!r}"
        raise MalformedFrame(BROKER, reason, payload)
    return Foreign(
        broker=BROKER,
        symbol=name,
        time_us=received_us,
        received_us=received_us,
        payload=payload,
    )


def _check_size(payload: bytes) -> None:
    if len(payload) > MAX_PAYLOAD_BYTES:
        reason = f"expected {MAX_PAYLOAD_BYTES} bytes at most, found {len(payload)}"
        raise MalformedFrame(BROKER, reason, payload)
