"""Reads answers of Binance's REST interface: bytes in, records out. Pure.

Shapes: "Market Data endpoints", rest-api.md of binance/binance-spot-api-docs. A depth
answer is that of the partial depth stream. An old trade is
`{"id":28457,"price":"4.00000100","qty":"12.00000000","quoteQty":"48.000012",
"time":1499865549590,"isBuyerMaker":true,"isBestMatch":true}`; an aggregate trade has
the keys of its stream: `{"a":26129,"p":"0.01633102","q":"4.70443515","f":27781,
"l":27781,"T":1498793709153,"m":true,"M":true}`.
"""

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from brokers.binance.converters import BROKER, book_top
from brokers.binance.payloads import PartialDepthPayload
from brokers.exceptions import MalformedFrame
from marketdata.records import OrderBook, Side, Trade

T = TypeVar("T")

_Price = Annotated[float, Meta(gt=0, le=1e18)]
_Size = Annotated[float, Meta(ge=0, le=1e30)]
_Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Millis = Annotated[int, Meta(ge=1_000_000_000_000)]


class _OldTrade(Struct):
    id: _Id
    price: _Price
    size: _Size = field(name="qty")
    time_ms: _Millis = field(name="time")
    is_buyer_maker: bool = field(name="isBuyerMaker")


class _AggregateTrade(Struct):
    id: _Id = field(name="a")
    price: _Price = field(name="p")
    size: _Size = field(name="q")
    time_ms: _Millis = field(name="T")
    is_buyer_maker: bool = field(name="m")


class _Problem(Struct):
    code: int = 0
    msg: str = ""


def parse_depth(body: bytes, symbol: str, received_us: int) -> OrderBook:
    """Return the whole book of an answer of `/api/v3/depth`.

    Raises:
        MalformedFrame: it is no such answer.
    """
    return book_top(_decode(_depth, body), symbol, received_us)


def parse_trades(
    body: bytes, symbol: str, received_us: int, *, trade_stream: str
) -> list[Trade]:
    """Return the trades of an answer of `historicalTrades` or `aggTrades`, in order.

    Raises:
        MalformedFrame: it is no such answer.
    """
    rows: list[_AggregateTrade] | list[_OldTrade]
    if trade_stream == "aggTrade":
        rows = _decode(_aggregate_trades, body)
    else:
        rows = _decode(_trades, body)
    return [
        Trade(
            broker=BROKER,
            symbol=symbol,
            time_us=row.time_ms * 1_000,
            received_us=received_us,
            price=row.price,
            size=row.size,
            side=Side.SELL if row.is_buyer_maker else Side.BUY,
            trade_id=row.id,
        )
        for row in rows
    ]


def describe_problem(body: bytes) -> str:
    """Return what `{"code":-1121,"msg":"Invalid symbol."}` says, empty if nothing."""
    try:
        problem = _problem.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return f"{problem.code} {problem.msg}" if problem.msg else ""


def _decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedFrame(BROKER, exc, body) from exc


_depth = msgspec.json.Decoder(PartialDepthPayload, strict=False)
_trades = msgspec.json.Decoder(list[_OldTrade], strict=False)
_aggregate_trades = msgspec.json.Decoder(list[_AggregateTrade], strict=False)
_problem = msgspec.json.Decoder(_Problem)
