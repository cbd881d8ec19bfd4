"""What is asked of the database for a session that starts in the past.

Every statement is bounded in time on both sides and goes along the key.
"""

from collections.abc import Iterator
from typing import Any

from history.statement import Statement
from history.timestamps import to_datetime
from marketdata.effects import Position
from marketdata.numbering import pack
from marketdata.records import Kind
from marketdata.stored_records import FIRST_LIVE, Span, Wanted

_TABLES = {Kind.TICK: "ticks", Kind.TRADE: "trades"}
_COLUMNS = {
    Kind.TICK: "r.time, r.seq, r.received, r.bid, r.ask, r.bid_size, r.ask_size",
    Kind.TRADE: "r.time, r.seq, r.received, r.price, r.size, r.side, r.trade_id",
}
# A position is looked for in windows of time that begin this long before the last
# row, each four times as long as the one before: at most four times what is then read.
_FIRST_WINDOW_US = 4_000_000
_GROWTH = 4
_NEWEST_ROWS = 1_000

_SERIES = """
SELECT series.id, series.earliest, series.latest, broker.is_simulated
FROM history_series AS series
JOIN marketdata_instrument AS instrument ON instrument.id = series.instrument_id
JOIN marketdata_broker AS broker ON broker.name = series.broker_id
WHERE instrument.symbol = %(symbol)s
  AND series.broker_id = %(broker)s
  AND series.latest IS NOT NULL
"""
_PAGE = """
SELECT {columns}
FROM {table} AS r
WHERE r.series_id = %(series_id)s
  AND r.time >= %(start)s
  AND r.time <= %(end)s
  AND r.seq <= %(upto)s
  AND (r.seq > %(above)s OR r.seq < %(first_live)s AND r.time >= %(imported)s){after}
ORDER BY r.time, r.seq
LIMIT %(limit)s
"""
_AFTER = """
  AND (r.time > %(after_time)s OR r.seq > %(after_seq)s)"""
_FIND = """
SELECT least(r.time, r.received), r.seq
FROM {table} AS r
WHERE r.series_id = %(series_id)s
  AND r.time >= %(start)s
  AND r.time <= %(end)s
  AND r.seq BETWEEN %(first_live)s AND %(upto)s
ORDER BY r.seq DESC
LIMIT 1
"""
_NEWEST = """
SELECT {columns}
FROM (
  SELECT *
  FROM {table} AS r
  WHERE r.series_id = %(series_id)s
    AND r.time >= %(start)s
    AND r.time <= %(end)s
    AND r.seq <= %(upto)s
  ORDER BY r.time DESC
  LIMIT %(limit)s
) AS r
ORDER BY r.seq DESC
LIMIT 1
"""


def plan_series(symbol: str, broker: str) -> Statement:
    """Return the statement of a series: id, first and last time, is_simulated."""
    return Statement(_SERIES, {"symbol": symbol, "broker": broker})


def plan_page(kind: Kind, series_id: int, wanted: Wanted) -> Statement:
    """Return the statement of a page, ascending by time and seq.

    Its columns: time, seq, received, and for ticks bid, ask, bid_size, ask_size, for
    trades price, size, side, trade_id.
    """
    start_us, after = wanted.start_us, wanted.after
    parameters: dict[str, Any] = {
        "series_id": series_id,
        "end": to_datetime(wanted.end_us),
        "above": wanted.above,
        "upto": wanted.upto,
        "first_live": FIRST_LIVE,
        # Later than all that is asked for: none of them.
        "imported": to_datetime(min(wanted.imported_us, wanted.end_us + 1)),
        "limit": wanted.limit,
    }
    if after is not None:
        start_us = after.time_us
        parameters["after_time"] = to_datetime(after.time_us)
        parameters["after_seq"] = after.seq
    parameters["start"] = to_datetime(start_us)
    sql = _PAGE.format(
        columns=_COLUMNS[kind],
        table=_TABLES[kind],
        after=_AFTER if after is not None else "",
    )
    return Statement(sql, parameters)


def plan_find(
    kind: Kind, series_id: int, position: Position, within: Span
) -> Statement:
    """Return the statement of the live row with the highest seq up to a position.

    Its columns: the earlier of time and receipt, seq.
    """
    parameters = {
        "series_id": series_id,
        "start": to_datetime(within.start_us),
        "end": to_datetime(within.end_us),
        "first_live": FIRST_LIVE,
        "upto": pack(*position),
    }
    return Statement(_FIND.format(table=_TABLES[kind]), parameters)


def plan_newest(kind: Kind, series_id: int, within: Span, upto: int) -> Statement:
    """Return the statement of the row with the highest seq; columns as a page's."""
    parameters = {
        "series_id": series_id,
        "start": to_datetime(within.start_us),
        "end": to_datetime(within.end_us),
        "upto": upto,
        "limit": _NEWEST_ROWS,
    }
    sql = _NEWEST.format(columns=_COLUMNS[kind], table=_TABLES[kind])
    return Statement(sql, parameters)


def windows_back(within: Span) -> Iterator[Span]:
    """Yield windows that cover a span from its end to its start, growing."""
    end_us, length_us = within.end_us, _FIRST_WINDOW_US
    while end_us >= within.start_us:
        start_us = max(within.start_us, within.end_us - length_us)
        yield Span(start_us, end_us)
        end_us, length_us = start_us - 1, length_us * _GROWTH
