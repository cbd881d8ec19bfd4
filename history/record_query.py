"""Ticks and trades of one series, read on Django's connection."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

import msgspec

from history.candle_query import binary_cursor
from history.record_cursor import Position
from history.record_plan import RecordRange, plan_ticks, plan_trades
from history.statement import Statement
from history.timestamps import to_us

Row = TypeVar("Row", "TickRow", "TradeRow")

PAGE_ROWS = 10_000  # some 5 MB of rows, and 10 ms


class TickRow(NamedTuple):
    """A tick; sizes are None where the venue sends none."""

    time: datetime
    seq: int
    bid: float
    ask: float
    bid_size: float | None
    ask_size: float | None


class TradeRow(NamedTuple):
    """A trade; ``side`` is 1 for a buyer who took liquidity, -1 for a seller."""

    time: datetime
    seq: int
    trade_id: int
    price: float
    size: float
    side: int | None


def select_ticks(series_id: int, wanted: RecordRange) -> list[TickRow]:
    """Return a page of ticks, ascending by time and seq. One statement."""
    return _select(plan_ticks(series_id, wanted), TickRow)


def select_trades(series_id: int, wanted: RecordRange) -> list[TradeRow]:
    """Return a page of trades, ascending by time and seq. One statement."""
    return _select(plan_trades(series_id, wanted), TradeRow)


def stream_ticks(
    series_id: int, start_us: int, end_us: int, *, page_rows: int = PAGE_ROWS
) -> Iterator[list[TickRow]]:
    """Yield all ticks of the range in pages: memory is that of one page.

    Each page is a statement of its own; what is stored behind the stream meanwhile is
    not seen.
    """
    wanted = RecordRange(start_us, end_us, page_rows)
    return _stream(lambda wanted: select_ticks(series_id, wanted), wanted)


def stream_trades(
    series_id: int, start_us: int, end_us: int, *, page_rows: int = PAGE_ROWS
) -> Iterator[list[TradeRow]]:
    """Yield all trades of the range in pages, as ``stream_ticks``."""
    wanted = RecordRange(start_us, end_us, page_rows)
    return _stream(lambda wanted: select_trades(series_id, wanted), wanted)


def next_page(
    wanted: RecordRange, rows: Sequence[TickRow | TradeRow]
) -> RecordRange | None:
    """Return the page after these rows, None if the range ended with them."""
    if len(rows) < wanted.limit:
        return None
    last = rows[-1]
    after = Position(to_us(last.time), last.seq)
    return msgspec.structs.replace(wanted, after=after)


def _select(statement: Statement, row_type: type[Row]) -> list[Row]:
    with binary_cursor() as cursor:
        cursor.execute(statement.sql, statement.parameters)
        return [row_type(*row) for row in cursor.fetchall()]


def _stream(
    select: Callable[[RecordRange], list[Row]], wanted: RecordRange
) -> Iterator[list[Row]]:
    page: RecordRange | None = wanted
    while page is not None:
        rows = select(page)
        if rows:
            yield rows
        page = next_page(page, rows)
