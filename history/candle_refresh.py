"""Brings candles up to date with their records: what changed, and nothing else.

One transaction per batch of series. It takes the series' advisory locks first, in id
order and each by its own statement, and looks for notes only then: the refresh that
held a lock before has committed, and its candles are seen. Locks are never taken in
another order, and writers take none of them, so nobody waits in a circle.

A change before the last minute that was built raises the series' revision in the same
transaction, so whoever kept those candles learns it. What is appended does not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from django.db import connection, transaction

from history.candle_frontiers import raise_revisions, select_frontiers
from history.candle_locks import lock_candles
from history.candle_sql import WRITE_FROM_SMALLER, WRITE_FROM_TICKS, WRITE_FROM_TRADES
from history.changed_ranges import Cursor
from history.dropped_ranges import TICKS, TRADES, select_dropped
from history.ranges import (
    Range,
    hull,
    merge_ranges,
    subtract_ranges,
    windows,
)
from history.timestamps import to_datetime, to_us
from marketdata.durations import DAY_US, MINUTE_US
from marketdata.timeframes import Timeframe

# What a transaction may cover, in summed length of ranges: a busy series' 60 days are
# 8 million ticks and some 4 s (2 cores, 2026-11); 200 series' minutes are nothing.
BATCH_SPAN_US = 60 * DAY_US
BATCH_SERIES = 500
# Notes read at once; those of one minute, one per flush, count as one.
BATCH_NOTES = 10_000

_PLANNER_SETTINGS = (
    # A month's minutes stay in memory, not in temporary files.
    "SET LOCAL work_mem = '64MB'",
    # Rows come in the key's order, and grouping by minute needs no sort: 40 ms of a
    # day's 140 (2 cores, 2026-11). Guessing a few rows, the planner would not see it.
    "SET LOCAL enable_bitmapscan = off",
    # Compiling takes longer than running.
    "SET LOCAL jit = off",
)


class RefreshReport(msgspec.Struct, kw_only=True):
    """What a refresh did.

    ``series`` and ``ranges`` count what was computed, ``candles_written`` and
    ``candles_deleted`` only candles that differ now, ``revised`` how often a series'
    past did. ``busy`` counts series that were left to the refresh that holds them.
    """

    series: int = 0
    ranges: int = 0
    candles_written: int = 0
    candles_deleted: int = 0
    revised: int = 0
    transactions: int = 0
    busy: int = 0


def refresh_candles(
    series_ids: Sequence[int] | None = None,
    *,
    now_us: int,
    wait: bool = True,
    on_computed: Callable[[int], None] = lambda length_us: None,
) -> RefreshReport:
    """Compute the candles of all noted ranges that are due.

    Safe to run any number of times and by several processes at once, but not within a
    transaction. Work is committed in steps; what fails or is interrupted stays noted.

    Args:
        series_ids: None for all.
        now_us: notes due later are left alone.
        wait: False leaves a series that another refresh is working on to it and to the
            next run, instead of waiting.
        on_computed: called with the summed length of ranges in us, whenever theirs are
            computed; to be committed yet.
    """
    report = RefreshReport()
    busy: set[int] = set()
    for batch in _batches(select_due(series_ids, now_us)):
        has_more = True
        while has_more:
            # Durable: within another transaction the locks of all batches would pile
            # up, in no order.
            with transaction.atomic(durable=True), connection.cursor() as cursor:
                locked = lock_candles(cursor, batch, wait=wait)
                has_more = _refresh_locked(
                    cursor, locked, now_us, report, on_computed=on_computed
                )
            busy |= set(batch).difference(locked)
    report.busy = len(busy)
    return report


def select_due(series_ids: Sequence[int] | None, now_us: int) -> list[tuple[int, int]]:
    """Return (series id, summed length in us) of what is due, least work first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT series_id, (extract(epoch FROM sum("end" - start)) * 1000000)::bigint
            FROM changed_ranges
            WHERE due <= %s
              AND (%s OR series_id = ANY(%s))
            GROUP BY series_id
            ORDER BY 2, 1
            """,
            (to_datetime(now_us), series_ids is None, list(series_ids or ())),
        )
        return cursor.fetchall()


def _batches(due: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Yield series ids in id order, many with little work or one with much."""
    batch: list[int] = []
    total_us = 0
    for series_id, length_us in due:
        is_full = total_us + length_us > BATCH_SPAN_US or len(batch) == BATCH_SERIES
        if batch and is_full:
            yield sorted(batch)
            batch, total_us = [], 0
        batch.append(series_id)
        total_us += length_us
    if batch:
        yield sorted(batch)


def _refresh_locked(
    cursor: Cursor,
    series_ids: Sequence[int],
    now_us: int,
    report: RefreshReport,
    *,
    on_computed: Callable[[int], None],
) -> bool:
    """Refresh what one transaction may cover; return True if more may be left."""
    notes, has_more = _take_notes(cursor, series_ids, now_us)
    if not notes:
        return False
    ranges = merge_ranges(notes, MINUTE_US)
    for setting in _PLANNER_SETTINGS:
        cursor.execute(setting)
    frontiers = select_frontiers(cursor, ranges)
    dropped = select_dropped(cursor, series_ids)
    revised: set[int] = set()
    for window in windows(ranges):
        revised |= _refresh_window(cursor, window, dropped, frontiers, report)
        on_computed(sum(item.end_us - item.start_us for item in window))
    raise_revisions(cursor, revised)
    report.revised += len(revised)
    report.series += len({item.series_id for item in ranges})
    report.ranges += len(ranges)
    report.transactions += 1
    return has_more


def _take_notes(
    cursor: Cursor, series_ids: Sequence[int], now_us: int
) -> tuple[list[Range], bool]:
    """Delete notes up to the transaction's span; return them, and if more are left."""
    cursor.execute(
        """
        SELECT series_id, start, "end", array_agg(id)
        FROM changed_ranges
        WHERE series_id = ANY(%s)
          AND due <= %s
        GROUP BY series_id, start, "end"
        ORDER BY series_id, start, "end"
        LIMIT %s
        """,
        (list(series_ids), to_datetime(now_us), BATCH_NOTES),
    )
    rows = cursor.fetchall()
    notes: list[Range] = []
    ids: list[int] = []
    total_us = 0
    for series_id, start, end, note_ids in rows:
        note = Range(series_id, to_us(start), to_us(end))
        total_us += note.end_us - note.start_us
        if notes and total_us > BATCH_SPAN_US:
            break
        notes.append(note)
        ids += note_ids
    cursor.execute("DELETE FROM changed_ranges WHERE id = ANY(%s)", (ids,))
    return notes, len(notes) < len(rows) or len(rows) == BATCH_NOTES


def _refresh_window(
    cursor: Cursor,
    ranges: Sequence[Range],
    dropped: Mapping[str, Sequence[Range]],
    frontiers: Mapping[int, int],
    report: RefreshReport,
) -> set[int]:
    """Compute all timeframes of ranges that lie in one window.

    Returns the series of which a bucket changed that had ended by their frontier.
    """
    minutes = merge_ranges(ranges, MINUTE_US)
    steps = [
        (Timeframe.M1, WRITE_FROM_TICKS, subtract_ranges(minutes, dropped[TICKS])),
        (Timeframe.M1, WRITE_FROM_TRADES, subtract_ranges(minutes, dropped[TRADES])),
    ]
    for timeframe, statement in WRITE_FROM_SMALLER.items():
        buckets = merge_ranges(ranges, timeframe.length_s * 1_000_000)
        steps.append((timeframe, statement, buckets))
    revised: set[int] = set()
    for timeframe, statement, buckets in steps:
        length_us = timeframe.length_s * 1_000_000
        changed = _execute(cursor, statement, buckets, report)
        revised |= {
            series_id
            for series_id, first_us in changed.items()
            if first_us + length_us <= frontiers.get(series_id, first_us)
        }
    return revised


def _execute(
    cursor: Cursor, statement: str, ranges: Sequence[Range], report: RefreshReport
) -> dict[int, int]:
    """Write candles; return the earliest bucket that differs now, per series."""
    if not ranges:
        return {}
    lo_us, hi_us = hull(ranges)
    cursor.execute(
        statement,
        {
            "series_ids": [item.series_id for item in ranges],
            "starts": [to_datetime(item.start_us) for item in ranges],
            "ends": [to_datetime(item.end_us) for item in ranges],
            "lo": to_datetime(lo_us),
            "hi": to_datetime(hi_us),
        },
    )
    written, deleted, series_ids, first_times = cursor.fetchone()
    report.candles_written += written
    report.candles_deleted += deleted
    return dict(zip(series_ids, map(to_us, first_times), strict=True))
