"""Ticks and trades as columns: one numpy array per field, one element per row.

Bulk loads never touch a row in Python: decoders make these, `copy_format` writes them.
Times are microseconds UTC since the epoch; NaN is a size that the source does not know.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from marketdata.records import Side, Tick, Trade

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Array = NDArray[Any]

SIDE_CODES: dict[Side | None, int] = {Side.BUY: 1, Side.SELL: -1, None: 0}


class TickColumns(msgspec.Struct, frozen=True, eq=False):
    """Ticks; all arrays have one length. ``received_us`` None: all were imported."""

    series_id: NDArray[np.int32]
    time_us: Ints
    seq: Ints
    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats
    received_us: Ints | None = None

    def __len__(self) -> int:
        return len(self.time_us)


class TradeColumns(msgspec.Struct, frozen=True, eq=False):
    """Trades; ``side`` is 1 buy, -1 sell, 0 unknown."""

    series_id: NDArray[np.int32]
    time_us: Ints
    trade_id: Ints
    seq: Ints
    price: Floats
    size: Floats
    side: NDArray[np.int16]
    received_us: Ints | None = None

    def __len__(self) -> int:
        return len(self.time_us)


C = TypeVar("C", bound=TickColumns | TradeColumns)


def tick_columns_of(rows: Sequence[tuple[int, int, Tick]]) -> TickColumns:
    """Return live ticks as columns, in the given order.

    Args:
        rows: (series id, `seq`, tick) of each.
    """
    ticks = [tick for _, _, tick in rows]
    return TickColumns(
        series_id=np.array([series_id for series_id, _, _ in rows], np.int32),
        time_us=_ints([tick.time_us for tick in ticks]),
        seq=_ints([seq for _, seq, _ in rows]),
        bid=_floats([tick.bid for tick in ticks]),
        ask=_floats([tick.ask for tick in ticks]),
        bid_size=_floats([tick.bid_size for tick in ticks]),
        ask_size=_floats([tick.ask_size for tick in ticks]),
        received_us=_ints([tick.received_us for tick in ticks]),
    )


def trade_columns_of(rows: Sequence[tuple[int, int, Trade]]) -> TradeColumns:
    """Return live trades as columns, in the given order.

    A trade whose venue gives no id gets its `seq` as id: `seq` is unique in a series,
    and with the epoch in its high bits far above any venue's own count.

    Args:
        rows: (series id, `seq`, trade) of each.
    """
    trades = [trade for _, _, trade in rows]
    return TradeColumns(
        series_id=np.array([series_id for series_id, _, _ in rows], np.int32),
        time_us=_ints([trade.time_us for trade in trades]),
        trade_id=_ints([_trade_id(trade, seq) for _, seq, trade in rows]),
        seq=_ints([seq for _, seq, _ in rows]),
        price=_floats([trade.price for trade in trades]),
        size=_floats([trade.size for trade in trades]),
        side=np.array([SIDE_CODES[trade.side] for trade in trades], np.int16),
        received_us=_ints([trade.received_us for trade in trades]),
    )


def rows_of(columns: C, rows: slice | NDArray[np.bool_]) -> C:
    """Return some of the rows; a slice of them shares the memory."""
    fields: dict[str, Any] = {
        name: None if values is None else values[rows]
        for name, values in msgspec.structs.asdict(columns).items()
    }
    return type(columns)(**fields)


def join_imported(parts: Sequence[TickColumns]) -> TickColumns:
    """Return imported ticks, one part or more, as one, in the order of the parts."""
    return TickColumns(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in TickColumns.__struct_fields__
            if name != "received_us"
        }
    )


def assign_ordinals(time_us: Ints) -> Ints:
    """Return the position of each row among the rows of its instant: 0, 1, 2, ...

    That is the `seq` (and the id of trades that have none) of imported rows: it depends
    on the rows alone, so that importing them again gives the same keys. ``time_us``
    need not be in order; rows of one instant keep theirs.
    """
    count = len(time_us)
    if count == 0:
        return np.zeros(0, np.int64)
    order = np.argsort(time_us, kind="stable")
    in_order = time_us[order]
    is_first = np.concatenate(([True], in_order[1:] != in_order[:-1]))
    starts = np.flatnonzero(is_first)
    lengths = np.diff(np.append(starts, count))
    ordinals = np.empty(count, np.int64)
    ordinals[order] = np.arange(count) - np.repeat(starts, lengths)
    return ordinals


def checksum(columns: TickColumns) -> str:
    """Return 32 hex digits that stand for the ticks' times, prices and sizes in order.

    Series, `seq` and receive times do not count: the same file gives the same digits
    whenever and for whatever series it is decoded.
    """
    digest = hashlib.blake2b(len(columns).to_bytes(8), digest_size=16)
    digest.update(np.ascontiguousarray(columns.time_us, "<i8").data)
    for values in (columns.bid, columns.ask, columns.bid_size, columns.ask_size):
        digest.update(np.ascontiguousarray(values, "<f8").data)
    return digest.hexdigest()


def _trade_id(trade: Trade, seq: int) -> int:
    return seq if trade.trade_id is None else trade.trade_id


def _ints(values: list[int]) -> Ints:
    return np.array(values, np.int64)


def _floats(values: Sequence[Any]) -> Floats:
    return np.array(values, np.float64)  # None becomes NaN
