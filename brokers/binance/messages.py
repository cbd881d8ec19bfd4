"""Reads Binance's frames: bytes in, one record or one control message out. Pure."""

from collections.abc import Callable, Mapping, MutableMapping
from enum import Enum
from typing import TypeVar

import msgspec

from brokers.binance import converters
from brokers.binance.converters import BROKER
from brokers.binance.payloads import (
    MAX_AHEAD_US,
    AggTradePayload,
    BookTickerPayload,
    DepthUpdatePayload,
    Frame,
    KlinePayload,
    PartialDepthPayload,
    TickerPayload,
    TradePayload,
)
from brokers.exceptions import MalformedFrame
from marketdata.records import Record

P = TypeVar("P", bound=msgspec.Struct)


class Ack(msgspec.Struct, frozen=True):
    """The server did what request ``id`` asked; ``id`` is None for none of ours."""

    id: int | None


class Refusal(msgspec.Struct, frozen=True):
    """The server refused request ``id``."""

    id: int | None
    code: int
    message: str


class Shutdown(msgspec.Struct, frozen=True):
    """The server is about to close the connection; another one will take us."""


class IgnoredReason(Enum):
    """Why a frame that could be read gives no record."""

    UNKNOWN_SYMBOL = "unknown symbol"
    UNKNOWN_EVENT = "unknown event"
    NO_QUOTE = "no quote"
    REPEATED = "repeated"


class Ignored(msgspec.Struct, frozen=True):
    """A frame that gives no record; ``name`` is the symbol or event."""

    reason: IgnoredReason
    name: str


Parsed = Record | Ack | Refusal | Shutdown | Ignored
# The highest number of an event and symbol: of trades, of updates of a book.
Newest = MutableMapping[tuple[str, str], int]


def parse_frame(
    frame: bytes,
    received_us: int,
    symbols: Mapping[str, str],
    newest: Newest | None = None,
) -> Parsed:
    """Return what one frame says, whether or not it is wrapped in its stream's name.

    ``symbols`` maps Binance's spelling in upper case (`BTCUSDT`) to the canonical one.
    Book tickers and partial books carry no time: they get ``received_us``. With
    ``newest`` a frame whose number is not above the highest one is ignored, as it is
    when two connections bring the same; what is not is entered there.

    Raises:
        MalformedFrame: not JSON, not an object, a key is missing or unusable, or its
            time is over a day later than ``received_us``.
    """
    try:
        if _is_array(frame):
            return Ignored(IgnoredReason.UNKNOWN_EVENT, "")
        head = _frame_decoder.decode(frame)
        body: bytes | msgspec.Raw = frame
        if head.data is not msgspec.UNSET:
            stream, body = head.stream, head.data
            if _is_array(body):
                return Ignored(IgnoredReason.UNKNOWN_EVENT, stream)
            head = _frame_decoder.decode(body)
            head.stream = stream
        event = _event_of(head)
        reader = _READERS.get(event)
        if reader is None:
            return _control(head)
        payload = reader.decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedFrame(BROKER, exc, frame) from exc
    broker_symbol = getattr(payload, "symbol", None) or _symbol_of(head.stream)
    symbol = symbols.get(broker_symbol)
    if symbol is None:
        return Ignored(IgnoredReason.UNKNOWN_SYMBOL, broker_symbol)
    parsed = reader.convert(payload, symbol, received_us)
    if getattr(parsed, "time_us", 0) > received_us + MAX_AHEAD_US:
        raise MalformedFrame(BROKER, "its time is over a day ahead of our clock", frame)
    if newest is not None:
        number = getattr(payload, reader.number, 0)
        key = event, broker_symbol
        if number <= newest.get(key, -1) and reader.number:
            return Ignored(IgnoredReason.REPEATED, broker_symbol)
        newest[key] = number
    return _without_record(payload, symbol) if parsed is None else parsed


def _without_record(payload: msgspec.Struct, symbol: str) -> Ignored:
    if isinstance(payload, KlinePayload):
        return Ignored(IgnoredReason.UNKNOWN_EVENT, f"kline_{payload.body.interval}")
    return Ignored(IgnoredReason.NO_QUOTE, symbol)


def _is_array(body: bytes | msgspec.Raw) -> bool:
    # `!ticker@arr` and the like carry the whole market; we follow symbols one by one.
    return bytes(memoryview(body)[:1]) == b"["


def _event_of(head: Frame) -> str:
    if head.event:
        return head.event
    if head.update_id is not msgspec.UNSET:
        return "bookTicker"
    return "partialDepth" if head.last_update_id is not msgspec.UNSET else ""


def _symbol_of(stream: str) -> str:
    return stream.partition("@")[0].upper()


def _control(head: Frame) -> Parsed:
    request = head.id if isinstance(head.id, int) else None
    if head.error is not msgspec.UNSET:
        return Refusal(request, head.error.code, head.error.msg)
    if head.result is not msgspec.UNSET:
        return Ack(request)
    if head.event == "serverShutdown":
        return Shutdown()
    return Ignored(IgnoredReason.UNKNOWN_EVENT, head.event)


class _Reader:
    """How one kind of payload is decoded and converted, and where its number is."""

    __slots__ = ("convert", "decoder", "number")

    def __init__(
        self,
        payload: type[P],
        convert: Callable[[P, str, int], Record | None],
        number: str = "",
    ) -> None:
        # Not strict: prices and sizes are strings, read as floats in one pass.
        self.decoder = msgspec.json.Decoder(payload, strict=False)
        self.convert: Callable[..., Record | None] = convert
        self.number = number


_frame_decoder = msgspec.json.Decoder(Frame, strict=False)
_READERS = {
    "trade": _Reader(TradePayload, converters.trade, "id"),
    "aggTrade": _Reader(AggTradePayload, converters.trade, "id"),
    "bookTicker": _Reader(BookTickerPayload, converters.tick, "update_id"),
    "depthUpdate": _Reader(DepthUpdatePayload, converters.book_change, "last_id"),
    "partialDepth": _Reader(PartialDepthPayload, converters.book_top),
    "24hrTicker": _Reader(TickerPayload, converters.ticker),
    "24hrMiniTicker": _Reader(TickerPayload, converters.ticker),
    "kline": _Reader(KlinePayload, converters.candle),
}
