"""Reads Binance's frames: bytes in, one record or one control message out. Pure."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import TypeVar

import msgspec

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
from marketdata.records import Candle, OrderBook, Record, Side, Tick, Ticker, Trade
from marketdata.timeframes import PriceSide, Timeframe

BROKER = "binance"

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


class Ignored(msgspec.Struct, frozen=True):
    """A frame that gives no record; ``name`` is the symbol or event."""

    reason: IgnoredReason
    name: str


Parsed = Record | Ack | Refusal | Shutdown | Ignored


def parse_frame(frame: bytes, received_us: int, symbols: Mapping[str, str]) -> Parsed:
    """Return what one frame says, whether or not it is wrapped in its stream's name.

    ``symbols`` maps Binance's spelling in upper case (`BTCUSDT`) to the canonical one.
    Book tickers and partial books carry no time: they get ``received_us``.

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
        reader = _READERS.get(_event_of(head))
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
    return parsed


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


def _trade(
    payload: TradePayload | AggTradePayload, symbol: str, received_us: int
) -> Parsed:
    return Trade(
        broker=BROKER,
        symbol=symbol,
        time_us=payload.time_ms * 1_000,
        received_us=received_us,
        price=payload.price,
        size=payload.size,
        # The maker's order was waiting, so the other side took.
        side=Side.SELL if payload.is_buyer_maker else Side.BUY,
        trade_id=payload.id,
    )


def _tick(payload: BookTickerPayload, symbol: str, received_us: int) -> Parsed:
    if not payload.bid or not payload.ask:
        return Ignored(IgnoredReason.NO_QUOTE, symbol)
    return Tick(
        broker=BROKER,
        symbol=symbol,
        time_us=received_us,
        received_us=received_us,
        bid=payload.bid,
        ask=payload.ask,
        bid_size=payload.bid_size,
        ask_size=payload.ask_size,
    )


def _book_change(payload: DepthUpdatePayload, symbol: str, received_us: int) -> Parsed:
    return OrderBook(
        broker=BROKER,
        symbol=symbol,
        time_us=payload.time_ms * 1_000,
        received_us=received_us,
        bids=payload.bids,
        asks=payload.asks,
        is_snapshot=False,
        first_id=payload.first_id,
        last_id=payload.last_id,
    )


def _book_top(payload: PartialDepthPayload, symbol: str, received_us: int) -> Parsed:
    return OrderBook(
        broker=BROKER,
        symbol=symbol,
        time_us=received_us,
        received_us=received_us,
        bids=payload.bids,
        asks=payload.asks,
        is_snapshot=True,
        last_id=payload.last_id,
    )


def _ticker(payload: TickerPayload, symbol: str, received_us: int) -> Parsed:
    return Ticker(
        broker=BROKER,
        symbol=symbol,
        time_us=payload.time_ms * 1_000,
        received_us=received_us,
        last=payload.last,
        open=payload.open,
        high=payload.high,
        low=payload.low,
        volume=payload.volume,
        quote_volume=payload.quote_volume,
    )


def _candle(payload: KlinePayload, symbol: str, received_us: int) -> Parsed:
    body = payload.body
    timeframe = _TIMEFRAMES.get(body.interval)
    if timeframe is None:
        return Ignored(IgnoredReason.UNKNOWN_EVENT, f"kline_{body.interval}")
    return Candle(
        broker=BROKER,
        symbol=symbol,
        time_us=body.start_ms * 1_000,
        received_us=received_us,
        timeframe=timeframe,
        price_side=PriceSide.TRADE,
        open=body.open,
        high=body.high,
        low=body.low,
        close=body.close,
        volume=body.volume,
        ticks=body.trades,
        is_final=body.is_final,
    )


class _Reader:
    """How one kind of payload is decoded and converted."""

    __slots__ = ("convert", "decoder")

    def __init__(
        self, payload: type[P], convert: Callable[[P, str, int], Parsed]
    ) -> None:
        # Not strict: prices and sizes are strings, read as floats in one pass.
        self.decoder = msgspec.json.Decoder(payload, strict=False)
        self.convert: Callable[..., Parsed] = convert


# Binance's interval names are ours, and it has some that we do not.
_TIMEFRAMES = {timeframe.value: timeframe for timeframe in Timeframe}
_frame_decoder = msgspec.json.Decoder(Frame, strict=False)
_READERS = {
    "trade": _Reader(TradePayload, _trade),
    "aggTrade": _Reader(AggTradePayload, _trade),
    "bookTicker": _Reader(BookTickerPayload, _tick),
    "depthUpdate": _Reader(DepthUpdatePayload, _book_change),
    "partialDepth": _Reader(PartialDepthPayload, _book_top),
    "24hrTicker": _Reader(TickerPayload, _ticker),
    "24hrMiniTicker": _Reader(TickerPayload, _ticker),
    "kline": _Reader(KlinePayload, _candle),
}
