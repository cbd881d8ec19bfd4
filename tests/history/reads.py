"""Reads of candles and records the way REST reads them, on the test's own connection.

The statement, its arrays, their decoding and the columns are those that are served;
only the pool of connections is not, for it would not see what a test has not committed.
"""

from collections.abc import Coroutine, Mapping
from typing import Any, NamedTuple

import psycopg
from django.db import connection
from psycopg.pq import Format

from history.array_loaders import register_array_loaders
from history.candle_bodies import FullCandleBody
from history.candle_range import CandleRange
from history.candle_reads import read_candles
from history.candle_rows import CandleRow
from history.reader import Plans, Reader
from history.record_plan import RecordRange, plan_ticks, plan_trades
from history.series_info import SeriesInfo
from history.series_query import (
    Span,
    all_series_of,
    plan_all_series,
    plan_series,
    series_of,
)
from history.statement import Statement


class TickRow(NamedTuple):
    """A tick; sizes are NaN where the venue sends none."""

    time_us: int
    seq: int
    bid: float
    ask: float
    bid_size: float
    ask_size: float


class TradeRow(NamedTuple):
    """A trade; ``side`` is 0 where it is unknown."""

    time_us: int
    seq: int
    trade_id: int
    price: float
    size: float
    side: int


class ReaderHere(Reader):
    """A reader that runs its statements on Django's connection, in its transaction."""

    def __init__(self) -> None:
        super().__init__(max_connections=1, timeout_s=1, plans=Plans.OF_EACH)

    async def fetch(
        self, statement: str, parameters: Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the rows; arrays of numbers are numpy arrays."""
        cursor = psycopg.Cursor(connection.connection)
        cursor.format = Format.BINARY
        register_array_loaders(cursor)
        # Django's wrapper counts the statement, and lets tests wrap it.
        is_counted = connection.queries_logged
        wrap = connection.make_debug_cursor if is_counted else connection.make_cursor
        with wrap(cursor) as wrapped:
            wrapped.execute(statement, parameters)
            return wrapped.fetchall()


def select_candles(series_id: int, wanted: CandleRange, now_us: int) -> list[CandleRow]:
    """Return the candles of a range at the moment ``now_us``, ascending."""
    connection.ensure_connection()
    columns = _result_of(
        read_candles(ReaderHere(), series_id, wanted, FullCandleBody, now_us=now_us)
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        CandleRow(*values, complete=complete, rev=rev)
        for *values, complete, rev in rows
    ]


def select_ticks(series_id: int, wanted: RecordRange) -> list[TickRow]:
    """Return a page of ticks, ascending by time and seq."""
    sizes = ("coalesce(bid_size, 'NaN')", "coalesce(ask_size, 'NaN')")
    columns = ("time", "seq", "bid", "ask", *sizes)
    return [TickRow(*row) for row in _rows(plan_ticks(series_id, wanted), columns)]


def select_trades(series_id: int, wanted: RecordRange) -> list[TradeRow]:
    """Return a page of trades, ascending by time and seq."""
    columns = ("time", "seq", "trade_id", "price", "size", "coalesce(side, 0)")
    return [TradeRow(*row) for row in _rows(plan_trades(series_id, wanted), columns)]


def select_series(
    symbol: str, broker: str = "", *, span: Span | None = None
) -> SeriesInfo:
    """Return the series that answers for a canonical symbol, as `series_of` says."""
    statement = plan_series(symbol, span)
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, statement.parameters)
        return series_of(cursor.fetchall(), symbol, broker)


def select_all_series() -> list[SeriesInfo]:
    """Return the series that answers for each symbol with data, ordered by symbol."""
    with connection.cursor() as cursor:
        cursor.execute(plan_all_series().sql)
        return all_series_of(cursor.fetchall())


def _rows(statement: Statement, expressions: tuple[str, ...]) -> list[tuple[Any, ...]]:
    connection.ensure_connection()
    columns = _result_of(ReaderHere().fetch_columns(statement, expressions))
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _result_of(reading: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing."""
    try:
        reading.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the reader waits for something")
