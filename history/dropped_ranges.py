"""Times whose records were dropped on purpose: their candles are all that is left.

Each series keeps them, of ticks and of trades, in whole hours. The refresh leaves the
1m candles of such times as they are, whatever is noted, so neither a rebuild nor a late
record replaces them by less than they were made of. Hours that an import stores again
are dropped no more.
"""

from collections.abc import Sequence
from datetime import datetime

from history.changed_ranges import Cursor
from history.ranges import Range
from history.timestamps import to_datetime, to_us

TICKS, TRADES = "ticks", "trades"
_COLUMNS = {TICKS: "dropped_ticks", TRADES: "dropped_trades"}

# SQL of the bounds of what was dropped, for a row of history_series; NULL if nothing
# was, exact where they are those of the series.
_BOTH = "(dropped_ticks + dropped_trades)"
DROPPED_FROM = f"""
    CASE WHEN candles_from <@ {_BOTH} THEN candles_from ELSE lower({_BOTH}) END"""
DROPPED_UNTIL = f"""
    CASE WHEN latest <@ {_BOTH} THEN latest
         ELSE upper({_BOTH}) - INTERVAL '1 microsecond' END"""

# Not before the hour in which the series begins, so that nobody looks there for more;
# rows before that, which no writer counted, may be dropped all the same.
_ADD = """
    UPDATE history_series
    SET {column} = {column} + tstzmultirange(
        tstzrange(
            greatest(
                %(start)s,
                CASE WHEN candles_from < %(end)s
                     THEN date_trunc('hour', candles_from, 'UTC') END
            ),
            %(end)s
        )
    )
    WHERE id = ANY(%(ids)s)
"""
_REMOVE = """
    UPDATE history_series
    SET dropped_ticks = dropped_ticks - tstzmultirange(tstzrange(%s, %s))
    WHERE id = %s
      AND dropped_ticks && tstzrange(%s, %s)
"""
_SELECT = """
    SELECT s.id, kind.name, lower(dropped), upper(dropped)
    FROM history_series AS s
    CROSS JOIN LATERAL (
        VALUES ('ticks', s.dropped_ticks), ('trades', s.dropped_trades)
    ) AS kind (name, ranges)
    CROSS JOIN LATERAL unnest(kind.ranges) AS dropped
    WHERE s.id = ANY(%s)
"""


def add_dropped(
    cursor: Cursor,
    table: str,
    series_ids: Sequence[int],
    span: tuple[datetime, datetime],
) -> None:
    """Say that the records of a span, in whole hours, are dropped.

    Call it in the transaction that drops them, after `lock_candles` and `lock_series`.

    Args:
        table: ``TICKS`` or ``TRADES``.
    """
    statement = _ADD.format(column=_COLUMNS[table])
    start, end = span
    cursor.execute(statement, {"start": start, "end": end, "ids": list(series_ids)})


def remove_dropped_ticks(
    cursor: Cursor, series_id: int, start_us: int, end_us: int
) -> None:
    """Say that the ticks of a span, in whole hours, are all stored again.

    Call it in the transaction that stores them; it notes the span for the refresh.
    """
    span = to_datetime(start_us), to_datetime(end_us)
    cursor.execute(_REMOVE, (*span, series_id, *span))


def select_dropped(cursor: Cursor, series_ids: Sequence[int]) -> dict[str, list[Range]]:
    """Return the dropped times of the series, of ``TICKS`` and of ``TRADES``."""
    cursor.execute(_SELECT, (list(series_ids),))
    found: dict[str, list[Range]] = {TICKS: [], TRADES: []}
    for series_id, table, start, end in cursor.fetchall():
        found[table].append(Range(series_id, to_us(start), to_us(end)))
    return found
