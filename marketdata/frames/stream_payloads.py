"""Payloads of Binance's market streams, made of our records.

Source: "Detailed Stream information", web-socket-streams.md of
binance/binance-spot-api-docs, commit 060fe48d, read 2026-11-21, which explains each
key; real frames are in shared/data/binance. Prices are texts with the instrument's
decimals, sizes with Binance's 8, times integer milliseconds. What records do not know:

- "0" are: sizes and volumes that a broker does not send, all volumes of klines made of
  mid prices, turnover (`q` `Q`) and taker volume (`V`) of klines, and in tickers the
  previous close (`x`), the last size (`Q`) and the best quotes (`b` `B` `a` `A`);
- -1 are ids of first and last trades (`f` `L` `F`): Binance's own for "no trades";
- `t` or `a` of a trade without an id of its venue, `u` of a book ticker and the
  `lastUpdateId` of a book without one are the number of the record in its topic;
- `m` (the buyer was the maker) is false where the side is not known;
- each aggregate trade is one print; `n` of a kline counts the records in it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from marketdata.catalog import Instrument
from marketdata.frames.stream_names import Event, Form
from marketdata.records import Candle, OrderBook, Record, Side, Tick, Ticker, Trade
from marketdata.timeframes import PriceSide

SIZE_DECIMALS = 8  # of all of Binance's quantities
UNKNOWN = "0"
UNKNOWN_ID = -1

Payload = dict[str, Any]

_US_PER_MS = 1_000
_MS_PER_S = 1_000
_DAY_MS = 86_400_000


def stream_payload(
    record: Record, instrument: Instrument, form: Form, number: int
) -> Payload | None:
    """Return what a stream of the form says of the record, None if nothing.

    ``number`` is the record's in its topic, 0 if it has none.
    """
    record_type, payload_of = _PAYLOADS[form.event]
    if type(record) is not record_type:
        return None
    payload: Payload | None = payload_of(record, instrument, form, number)
    return payload


def _trade(record: Trade, instrument: Instrument, form: Form, number: int) -> Payload:
    return {
        "e": "trade",
        "E": _event_ms(record),
        "s": instrument.symbol,
        "t": number if record.trade_id is None else record.trade_id,
        "p": _price(record.price, instrument),
        "q": _size(record.size),
        "T": record.time_us // _US_PER_MS,
        "m": record.side is Side.SELL,
        "M": True,
    }


def _aggregate_trade(
    record: Trade, instrument: Instrument, form: Form, number: int
) -> Payload:
    trade_id = number if record.trade_id is None else record.trade_id
    return {
        "e": "aggTrade",
        "E": _event_ms(record),
        "s": instrument.symbol,
        "a": trade_id,
        "p": _price(record.price, instrument),
        "q": _size(record.size),
        "f": trade_id,
        "l": trade_id,
        "T": record.time_us // _US_PER_MS,
        "m": record.side is Side.SELL,
        "M": True,
    }


def _book_ticker(
    record: Tick, instrument: Instrument, form: Form, number: int
) -> Payload:
    return {
        "u": number,
        "s": instrument.symbol,
        "b": _price(record.bid, instrument),
        "B": _size(record.bid_size),
        "a": _price(record.ask, instrument),
        "A": _size(record.ask_size),
    }


def _partial_depth(
    record: OrderBook, instrument: Instrument, form: Form, number: int
) -> Payload | None:
    if not record.is_snapshot:
        return None
    return {
        "lastUpdateId": number if record.last_id is None else record.last_id,
        "bids": _levels(record.bids[: form.levels], instrument),
        "asks": _levels(record.asks[: form.levels], instrument),
    }


def _kline(record: Candle, instrument: Instrument, form: Form, number: int) -> Payload:
    is_of_trades = record.price_side is PriceSide.TRADE
    start_ms = record.time_us // _US_PER_MS
    return {
        "e": "kline",
        "E": _event_ms(record),
        "s": instrument.symbol,
        "k": {
            "t": start_ms,
            "T": start_ms + record.timeframe.length_s * _MS_PER_S - 1,
            "s": instrument.symbol,
            "i": record.timeframe.value,
            "f": UNKNOWN_ID,
            "L": UNKNOWN_ID,
            "o": _price(record.open, instrument),
            "c": _price(record.close, instrument),
            "h": _price(record.high, instrument),
            "l": _price(record.low, instrument),
            "v": _size(record.volume) if is_of_trades else UNKNOWN,
            "n": record.ticks,
            "x": record.is_final,
            "q": UNKNOWN,
            "V": UNKNOWN,
            "Q": UNKNOWN,
            "B": UNKNOWN,
        },
    }


def _mini_ticker(
    record: Ticker, instrument: Instrument, form: Form, number: int
) -> Payload:
    return {
        "e": "24hrMiniTicker",
        "E": _event_ms(record),
        "s": instrument.symbol,
        "c": _price(record.last, instrument),
        "o": _price(record.open, instrument),
        "h": _price(record.high, instrument),
        "l": _price(record.low, instrument),
        "v": _size(record.volume),
        "q": _size(record.quote_volume),
    }


def _ticker(record: Ticker, instrument: Instrument, form: Form, number: int) -> Payload:
    change = record.last - record.open
    percent = 100 * change / record.open if record.open else 0.0
    end_ms = record.time_us // _US_PER_MS
    return {
        "e": "24hrTicker",
        "E": _event_ms(record),
        "s": instrument.symbol,
        "p": _price(change, instrument),
        "P": f"{percent:.3f}",
        "w": _average_price(record),
        "x": UNKNOWN,
        "c": _price(record.last, instrument),
        "Q": UNKNOWN,
        "b": UNKNOWN,
        "B": UNKNOWN,
        "a": UNKNOWN,
        "A": UNKNOWN,
        "o": _price(record.open, instrument),
        "h": _price(record.high, instrument),
        "l": _price(record.low, instrument),
        "v": _size(record.volume),
        "q": _size(record.quote_volume),
        "O": end_ms - _DAY_MS,
        "C": end_ms,
        "F": UNKNOWN_ID,
        "L": UNKNOWN_ID,
        "n": 0,
    }


_PAYLOADS: dict[Event, tuple[type[Record], Callable[..., Payload | None]]] = {
    Event.TRADE: (Trade, _trade),
    Event.AGG_TRADE: (Trade, _aggregate_trade),
    Event.BOOK_TICKER: (Tick, _book_ticker),
    Event.PARTIAL_DEPTH: (OrderBook, _partial_depth),
    Event.KLINE: (Candle, _kline),
    Event.MINI_TICKER: (Ticker, _mini_ticker),
    Event.TICKER: (Ticker, _ticker),
}


def _event_ms(record: Record) -> int:
    # Candles carry their bucket's start; and Binance's event never precedes its trade.
    return max(record.time_us, record.received_us) // _US_PER_MS


def _price(price: float, instrument: Instrument) -> str:
    return f"{price:.{instrument.decimals}f}"


def _size(size: float | None) -> str:
    return f"{size:.{SIZE_DECIMALS}f}" if size else UNKNOWN


def _levels(
    levels: Sequence[tuple[float, float]], instrument: Instrument
) -> list[tuple[str, str]]:
    return [(_price(price, instrument), _size(size)) for price, size in levels]


def _average_price(record: Ticker) -> str:
    if not record.volume or record.quote_volume is None:
        return UNKNOWN
    return _size(record.quote_volume / record.volume)
