"""Dropping ticks and trades that are older than the configured days, chunk by chunk.

Candles stay, and no refresh touches them any more (`history.dropped_ranges`).
Statistics and ledger change in the transaction that drops the rows, so that counts stay
true, and dropped hours are neither missing nor imported again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import structlog
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from psycopg import sql

from history.candle_locks import lock_candles
from history.candle_refresh import refresh_candles
from history.dropped_ranges import add_dropped
from history.models import ChangedRange
from history.series import Change, apply_changes, lock_series
from history.timestamps import to_us
from importer.models import HourState

# Readers of a chunk that is dropped are waited for, and others wait behind us. What is
# not to be had in this time is dropped by the next run.
LOCK_TIMEOUT = "5s"
# One run at a time; "rtnt" in ASCII.
_RUN_LOCK = 0x72746E74
_DETAIL = "dropped by TICK_RETENTION_DAYS"
_SELECT_SERIES = sql.SQL(
    """
    SELECT id
    FROM history_series AS s
    WHERE EXISTS (SELECT FROM {} AS r WHERE r.series_id = s.id)
    ORDER BY id
    """
)
_MARK = """
    INSERT INTO import_hours
           (series_id, hour, state, rows, checksum, source, detail, tries, imported_at)
    SELECT DISTINCT series_id, time_bucket('1 hour', time),
           %s, 0, '', '', %s, 1, %s::timestamptz
    FROM {}
    ON CONFLICT (series_id, hour)
    DO UPDATE SET state = excluded.state, rows = 0, checksum = '',
                  detail = excluded.detail
"""
_IS_AWAITED = """
    SELECT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'relation'
          AND relation = %s::regclass
          AND database =
              (SELECT oid FROM pg_database WHERE datname = current_database())
          AND NOT granted
    )
"""

log = structlog.get_logger(__name__)


class Dropped(msgspec.Struct):
    """What a run dropped; ``busy`` chunks are left for the next one."""

    chunks: int = 0
    rows: int = 0
    hours: int = 0
    busy: int = 0


class _Chunk(NamedTuple):
    table: str
    schema: str
    name: str
    start: datetime
    end: datetime


class _HasNotes(Exception):
    """Raised when candles are still to be computed from the chunk."""


class _IsAwaited(Exception):
    """Raised when somebody waits for the chunk."""


def drop_old_ticks(days: int, *, now: datetime) -> Dropped:
    """Drop chunks of ticks and trades that ended ``days`` days ago or earlier.

    Not within a transaction. A run beside another one does nothing.
    """
    dropped = Dropped()
    with _only_run() as is_ours:
        chunks = _select_chunks(now - timedelta(days=days)) if is_ours else []
        for chunk in chunks:
            try:
                _drop_refreshed(chunk, dropped, now=now)
            except (OperationalError, _HasNotes, _IsAwaited) as exc:
                # A reader or writer held it for long, or kept changing it.
                dropped.busy += 1
                log.warning("chunk not dropped", chunk=chunk.name, error=repr(exc))
    return dropped


@contextmanager
def _only_run() -> Iterator[bool]:
    """Yield whether no other run is at work; none begins in the block."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_RUN_LOCK])
        is_ours = cursor.fetchone()[0]
    try:
        yield is_ours
    finally:
        # A session that broke has lost its locks.
        if is_ours and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_RUN_LOCK])


def _select_chunks(until: datetime) -> list[_Chunk]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT hypertable_name, chunk_schema, chunk_name, range_start, range_end
            FROM timescaledb_information.chunks
            WHERE hypertable_schema = current_schema()
              AND hypertable_name IN ('ticks', 'trades')
              AND range_end <= %s
            ORDER BY range_start, hypertable_name
            """,
            (until,),
        )
        return [_Chunk(*row) for row in cursor.fetchall()]


def _drop_refreshed(chunk: _Chunk, dropped: Dropped, *, now: datetime) -> None:
    """Drop the chunk; if candles wait for its rows, compute those first."""
    try:
        _drop(chunk, dropped, now=now)
    except _HasNotes:
        notes = _notes_of(chunk)
        series_ids = sorted(set(notes.values_list("series_id", flat=True)))
        # None if somebody else has computed them meanwhile.
        due = [to_us(due) for due in notes.values_list("due", flat=True)]
        refresh_candles(series_ids, now_us=max([*due, to_us(now)]))
        _drop(chunk, dropped, now=now)


def _drop(chunk: _Chunk, dropped: Dropped, *, now: datetime) -> None:
    name = sql.Identifier(chunk.schema, chunk.name)
    # Not within the transaction: its lock of the chunk would be in another run's way.
    series_ids = _select_series(name)
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, TRUE)", (LOCK_TIMEOUT,))
        # A refresh would find candles without records before it learns why.
        lock_candles(cursor, series_ids)
        # Keeps writers out, not readers; drop_chunks needs more, but not for long.
        lock = sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(lock.format(name))
        # Only now: whoever wrote to the chunk has committed, its notes are seen.
        counts = _count(cursor, name)
        if _notes_of(chunk).exists() or counts.keys() - set(series_ids):
            raise _HasNotes
        hours = _mark(cursor, chunk, now=now)
        _give_way(cursor, name)
        cursor.execute(
            "SELECT drop_chunks(%s::regclass, older_than => %s, newer_than => %s)",
            (chunk.table, chunk.end, chunk.start),
        )
        lock_series(cursor, list(counts))
        add_dropped(cursor, chunk.table, list(counts), (chunk.start, chunk.end))
        apply_changes(cursor, list(_changes(chunk, counts)))
    dropped.chunks += 1
    dropped.rows += sum(counts.values())
    dropped.hours += hours


def _select_series(name: sql.Identifier) -> list[int]:
    """Return which series have rows in a chunk, in order."""
    with connection.cursor() as cursor:
        cursor.execute(_SELECT_SERIES.format(name))
        return [series_id for (series_id,) in cursor.fetchall()]


def _count(cursor: Any, name: sql.Identifier) -> dict[int, int]:
    """Return how many rows each series has in a chunk."""
    cursor.execute(
        sql.SQL("SELECT series_id, count(*) FROM {} GROUP BY 1").format(name)
    )
    return dict(cursor.fetchall())


def _give_way(cursor: Any, name: sql.Identifier) -> None:
    """Raise if a writer waits: it may have read, and then each waits for the other."""
    cursor.execute(_IS_AWAITED, (name.as_string(),))
    if cursor.fetchone()[0]:
        raise _IsAwaited


def _notes_of(chunk: _Chunk) -> QuerySet[ChangedRange]:
    return ChangedRange.objects.filter(start__lt=chunk.end, end__gt=chunk.start)


def _changes(chunk: _Chunk, counts: dict[int, int]) -> Iterator[Change]:
    for series_id, rows in sorted(counts.items()):
        is_ticks = chunk.table == "ticks"
        yield Change(
            series_id=series_id,
            ticks_added=-rows if is_ticks else 0,
            trades_added=0 if is_ticks else -rows,
            changes_past=True,
        )


def _mark(cursor: Any, chunk: _Chunk, *, now: datetime) -> int:
    """Note in the ledger which hours are gone, live ones too; return how many."""
    statement = sql.SQL(_MARK).format(sql.Identifier(chunk.schema, chunk.name))
    cursor.execute(statement, (HourState.DROPPED, _DETAIL, now))
    return int(cursor.rowcount)
