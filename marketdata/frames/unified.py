"""Frames of the unified dialect, as bytes (PROTOCOL 1.1).

A data frame: `{"type":"data","broker":"binance","symbol":"BTC/USDT","seq":1041,
"epoch":"2k3x9","data":{"broker":"binance","symbol":"BTC/USDT","type":"tick",
"timestamp":1704153600123,"data":{"price":42000.115,"bid":42000.11,...}}}`. Times are
integer milliseconds; prices are rounded to the instrument's decimals + 1.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from marketdata.catalog import Instrument
from marketdata.codes import ErrorCode, StatusCode
from marketdata.encodings import STALE, Notice
from marketdata.records import KINDS, Candle, OrderBook, Record, Tick, Trade

PROTOCOL_VERSION = 1
SNAPSHOT = "snapshot"

_encode = msgspec.json.Encoder().encode
_US_PER_MS = 1_000


class _Numbers(msgspec.Struct, gc=False, omit_defaults=True):
    """What one record says; what the venue does not send is left out."""


class _TickNumbers(_Numbers):
    price: float
    bid: float
    ask: float
    bid_size: float | None = None
    ask_size: float | None = None
    volume: float | None = None


class _TradeNumbers(_Numbers):
    price: float
    volume: float
    side: str | None = None
    id: int | None = None


class _BookNumbers(_Numbers):
    bids: Sequence[tuple[float, float]]
    asks: Sequence[tuple[float, float]]
    snapshot: bool


class _CandleNumbers(_Numbers):
    open: float
    high: float
    low: float
    close: float
    volume: float
    ticks: int
    period: str
    final: bool
    rev: int
    price: str


class _Inner(msgspec.Struct, gc=False):
    broker: str
    symbol: str
    type: str
    timestamp: int
    data: _Numbers


class _Data(msgspec.Struct, gc=False, omit_defaults=True, tag_field="type", tag="data"):
    broker: str
    symbol: str
    seq: int | None = None
    epoch: str | None = None
    data: _Inner | None = None
    simulated: bool = False
    phase: str | None = None
    skipped: int = 0
    state: str | None = None


class UnifiedEncoding:
    """The frames of a topic in the unified dialect; see `Encoding`."""

    def data(
        self,
        record: Record,
        instrument: Instrument | None,
        *,
        number: int | None,
        epoch: str | None,
        phase: str | None = None,
        skipped: int = 0,
    ) -> bytes | None:
        """Return the data frame of a record, None if the dialect has none for it."""
        numbers = _NUMBERS.get(type(record))
        if numbers is None or instrument is None:
            return None
        inner = _Inner(
            record.broker,
            instrument.display,
            KINDS[type(record)].value,
            record.time_us // _US_PER_MS,
            numbers(record, instrument.decimals + 1),
        )
        return _encode(
            _Data(
                record.broker,
                instrument.display,
                number,
                epoch,
                inner,
                record.simulated,
                SNAPSHOT if phase == STALE else phase,
                skipped,
                STALE if phase == STALE else None,
            )
        )

    def notice(self, notice: Notice, instrument: Instrument | None) -> bytes | None:
        """Return the status frame of a notice."""
        is_partial = notice.code is StatusCode.PARTIAL_HISTORY
        return encode_status(
            code=notice.code,
            broker=notice.topic.broker,
            symbol=instrument and instrument.display,
            data_type=notice.topic.kind.value,
            **{
                "from": notice.from_us and notice.from_us // _US_PER_MS,
                "reason": notice.message if is_partial else None,
                "to": notice.to_us and notice.to_us // _US_PER_MS,
            },
            message=notice.message,
        )


UNIFIED_ENCODING = UnifiedEncoding()


def _tick(record: Tick, digits: int) -> _Numbers:
    return _TickNumbers(
        round(record.mid, digits),
        round(record.bid, digits),
        round(record.ask, digits),
        record.bid_size,
        record.ask_size,
        record.bid_size,
    )


def _trade(record: Trade, digits: int) -> _Numbers:
    return _TradeNumbers(
        round(record.price, digits),
        record.size,
        record.side and record.side.value,
        record.trade_id,
    )


def _book(record: OrderBook, digits: int) -> _Numbers:
    return _BookNumbers(
        [(round(price, digits), size) for price, size in record.bids],
        [(round(price, digits), size) for price, size in record.asks],
        record.is_snapshot,
    )


def _candle(record: Candle, digits: int) -> _Numbers:
    return _CandleNumbers(
        round(record.open, digits),
        round(record.high, digits),
        round(record.low, digits),
        round(record.close, digits),
        record.volume,
        record.ticks,
        record.timeframe.value,
        record.is_final,
        record.rev,
        record.price_side.value,
    )


_NUMBERS: dict[type, Callable[[Any, int], _Numbers]] = {
    Tick: _tick,
    Trade: _trade,
    OrderBook: _book,
    Candle: _candle,
}


def encode_status(**fields: Any) -> bytes:
    """Return a status frame; fields that are None are left out."""
    return _encode({"type": "status", **_present(fields)})


def encode_error(code: str | ErrorCode, message: str, **fields: Any) -> bytes:
    """Return an error frame; fields that are None are left out."""
    head = {"type": "error", **_present({"id": fields.pop("id", None)})}
    return _encode(head | {"code": code, "message": message} | _present(fields))


def encode_pong(request_id: str | int | None, now_us: int) -> bytes:
    """Return the answer to a ping."""
    return _encode(
        {
            "type": "pong",
            **_present({"id": request_id}),
            "timestamp": now_us // _US_PER_MS,
        }
    )


def encode_heartbeat(
    now_us: int, *, sent: int, queued_bytes: int, skipped: int
) -> bytes:
    """Return a heartbeat: frames sent, bytes that wait, records left out."""
    return _encode(
        {
            "type": "heartbeat",
            "timestamp": now_us // _US_PER_MS,
            "sent": sent,
            "queued_bytes": queued_bytes,
            "skipped": skipped,
        }
    )


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
