"""Reads the lines of OANDA's pricing stream: bytes in, a tick or its absence out. Pure.

One JSON object per line. A price, here with `Accept-Datetime-Format: UNIX`:

    {"type":"PRICE","time":"1506291639.888097022","bids":[{"price":"1.19195",
    "liquidity":10000000},{"price":"1.19197","liquidity":500000}],"asks":[{"price":
    "1.19218","liquidity":10000000},{"price":"1.19216","liquidity":500000}],
    "closeoutBid":"1.19180","closeoutAsk":"1.19233","status":"tradeable",
    "tradeable":true,"instrument":"EUR_USD"}

`bids` and `asks` are price levels in no fixed order, `liquidity` the units that can be
dealt at each, `closeout*` what positions are valued at. Without the header times are
`2017-09-24T22:20:39.888097022Z`; lines of 2016 lack `type` or `tradeable`. Between
prices `{"type":"HEARTBEAT","time":"..."}` comes every 5 s.

Source: "Pricing Endpoints" and "Pricing Definitions" of OANDA's v20 REST API; the
lines of tests/payloads/oanda.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from brokers.exceptions import MalformedFrame
from marketdata.records import Tick

BROKER = "oanda"

# How far a time may be ahead of receiving: a day is damage, not a clock that is fast.
MAX_AHEAD_US = 86_400_000_000
# 2001-09-09: an earlier time is damage, and would be stored for good.
_FIRST_US = 1_000_000_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# Text such as "inf" passes as a float, so the upper bounds keep it out.
_Price = Annotated[float, Meta(gt=0, le=1e18)]
_Liquidity = Annotated[float, Meta(ge=0, le=1e30)]


class _Level(Struct, gc=False):
    price: _Price
    liquidity: _Liquidity | None = None


class _Line(Struct):
    time: str = ""
    type: str = ""
    instrument: str = ""
    status: str = ""
    tradeable: bool | None = None
    bids: tuple[_Level, ...] = ()
    asks: tuple[_Level, ...] = ()


class Heartbeat(Struct, frozen=True):
    """The stream lives; nothing changed."""


class IgnoredReason(Enum):
    """Why a line that could be read gives no tick."""

    UNKNOWN_SYMBOL = "unknown symbol"
    UNKNOWN_EVENT = "unknown event"
    NO_QUOTE = "no quote"
    NOT_TRADEABLE = "not tradeable"


class Ignored(Struct, frozen=True):
    """A line that gives no tick; ``name`` is the instrument or the line's type."""

    reason: IgnoredReason
    name: str


def parse_line(
    line: bytes, received_us: int, symbols: Mapping[str, str]
) -> Tick | Heartbeat | Ignored:
    """Return what one line says; ``symbols`` maps `EUR_USD` to the canonical symbol.

    The best bid is the highest, the best ask the lowest, wherever they stand; sizes are
    the liquidity of those levels. A price that cannot be dealt at gives no tick:
    outside market hours OANDA repeats the last one, hours old and with its spread
    widened, at every connect, and it would be published and stored as a quote.

    Raises:
        MalformedFrame: not JSON, not an object, a key is missing or unusable, or its
            time is over a day later than ``received_us``.
    """
    try:
        read = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedFrame(BROKER, exc, line) from exc
    if read.type == "HEARTBEAT":
        return Heartbeat()
    if read.type not in ("PRICE", "") or not read.instrument:
        return Ignored(IgnoredReason.UNKNOWN_EVENT, read.type)
    symbol = symbols.get(read.instrument)
    if symbol is None:
        return Ignored(IgnoredReason.UNKNOWN_SYMBOL, read.instrument)
    if not _is_tradeable(read):
        return Ignored(IgnoredReason.NOT_TRADEABLE, symbol)
    if not read.bids or not read.asks:
        return Ignored(IgnoredReason.NO_QUOTE, symbol)
    bid, ask = max(read.bids, key=_price_of), min(read.asks, key=_price_of)
    return Tick(
        broker=BROKER,
        symbol=symbol,
        time_us=_time_us(read.time, received_us, line),
        received_us=received_us,
        bid=bid.price,
        ask=ask.price,
        bid_size=bid.liquidity,
        ask_size=ask.liquidity,
    )


def parse_time_us(text: str) -> int:
    """Return a time of OANDA's in microseconds, digits behind them cut off.

    Both notations are read: `1506291639.888097022`, `2017-09-24T22:20:39.888097022Z`.

    Raises:
        ValueError: it is neither.
    """
    if "T" in text:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(f"expected a time with its zone, found {text!r}")
        return (moment - _EPOCH) // _MICROSECOND
    seconds, _, fraction = text.partition(".")
    digits = seconds + fraction[:6].ljust(6, "0")
    # `int` also takes signs, underscores, and digits of other scripts.
    if not (text.isascii() and seconds.isdigit() and digits.isdigit()):
        raise ValueError(f"expected seconds since 1970, found {text!r}")
    return int(digits)


def _time_us(text: str, received_us: int, line: bytes) -> int:
    try:
        time_us = parse_time_us(text)
    except (ValueError, OverflowError) as exc:
        raise MalformedFrame(BROKER, exc, line) from exc
    if not _FIRST_US <= time_us <= received_us + MAX_AHEAD_US:
        raise MalformedFrame(BROKER, "its time is before 2001 or a day ahead", line)
    return time_us


def _is_tradeable(line: _Line) -> bool:
    if line.tradeable is not None:
        return line.tradeable
    return line.status in ("tradeable", "")


def _price_of(level: _Level) -> float:
    return level.price


# Not strict: prices are strings, read as floats in one pass.
_decoder = msgspec.json.Decoder(_Line, strict=False)
