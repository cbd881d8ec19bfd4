"""Stores a batch of live records in one transaction: rows, notes and statistics.

Blocks, and keeps to the Django connection of the one thread that uses it.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import django.db
import psycopg
from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from history.batch_changes import Columns, changes_of, notes_of, split_by_series
from history.changed_ranges import note_changed_ranges
from history.columns import (
    TickColumns,
    tick_columns_of,
    trade_columns_of,
)
from history.exceptions import Superseded
from history.live_rows import Row
from history.models import Series
from history.series import apply_changes, get_or_create_series
from history.tick_store import copy_ticks, copy_trades, insert_ticks, insert_trades
from marketdata.exceptions import MarketDataError
from marketdata.models import Instrument
from marketdata.numbering import pack
from marketdata.records import Tick, Trade
from marketdata.topics import Topic, topic_of

Write = Callable[..., int]
Guard = Callable[[CursorWrapper], None]

# How soon an instrument that is not recorded is asked about again.
RECHECK_S = 1.0

Key = tuple[str, str]  # symbol, broker


class StoredBatch(NamedTuple):
    """Rows stored, stored before, and of instruments that are not recorded.

    ``numbers`` has the highest number of each topic that is recorded, in the newest
    epoch of the batch.
    """

    stored: int
    duplicates: int
    skipped: int
    numbers: Mapping[Topic, int] = MappingProxyType({})


class BatchStore:
    """Stores batches and remembers the ids of their series.

    The database is asked again every ``CATALOG_REFRESH_S`` which instruments are
    recorded; at once for a record whose series is new here, so that an added
    instrument is stored from its first record on; every ``RECHECK_S`` while records
    are skipped. ``guard`` is called with the cursor at the begin of each transaction;
    what it raises, errors of the database aside, says that rows are not ours to store.
    """

    def __init__(self, guard: Guard | None = None) -> None:
        self._guard = guard
        self._series_ids: dict[Key, int | None] = {}  # None: not recorded
        self._asked_s = -math.inf

    def store(self, rows: Sequence[Row]) -> StoredBatch:
        """Store the rows, those of a series in the given order, all or none.

        Rows that are stored already are counted as duplicates. After an error the
        connection is closed; the next call opens another.

        Raises:
            django.db.Error, psycopg.Error: nothing was stored, or it is unknown; the
                batch can be given again either way.
            Superseded: nothing was stored, the guard forbids it.
        """
        try:
            groups, skipped = self._resolve(rows)
            try:
                stored = self._write(groups, copy_ticks, copy_trades)
            except psycopg.errors.UniqueViolation:
                each = split_by_series(groups)
                stored = self._write(each, insert_ticks, insert_trades)
        except Exception:
            connection.close()
            raise
        duplicates = len(rows) - skipped - stored
        return StoredBatch(stored, duplicates, skipped, self._numbers(rows))

    def close(self) -> None:
        """Close the thread's connection."""
        connection.close()

    def _resolve(self, rows: Sequence[Row]) -> tuple[list[Columns], int]:
        """Return the rows as columns, and how many are not to be recorded."""
        self._learn({(record.symbol, record.broker) for record, _, _ in rows})
        ticks: list[tuple[int, int, Tick]] = []
        trades: list[tuple[int, int, Trade]] = []
        skipped = 0
        for record, epoch, number in rows:
            series_id = self._series_ids[record.symbol, record.broker]
            if series_id is None:
                skipped += 1
            elif isinstance(record, Tick):
                ticks.append((series_id, pack(epoch, number), record))
            else:
                trades.append((series_id, pack(epoch, number), record))
        columns: list[Columns] = [tick_columns_of(ticks), trade_columns_of(trades)]
        return [item for item in columns if len(item)], skipped

    def _write(
        self, groups: Sequence[Columns], write_ticks: Write, write_trades: Write
    ) -> int:
        """Store columns with their notes and statistics in one transaction."""
        with transaction.atomic(), connection.cursor() as cursor:
            self._check(cursor)
            written = []
            for columns in groups:
                is_ticks = isinstance(columns, TickColumns)
                write = write_ticks if is_ticks else write_trades
                added = write(connection.connection, columns)
                if added:
                    written.append((columns, added))
            note_changed_ranges(cursor, notes_of(columns for columns, _ in written))
            apply_changes(cursor, changes_of(written))
        return sum(added for _, added in written)

    def _check(self, cursor: CursorWrapper) -> None:
        if self._guard is None:
            return
        try:
            self._guard(cursor)
        except (django.db.Error, psycopg.Error):
            raise
        except Exception as exc:
            raise Superseded(str(exc)) from exc

    def _numbers(self, rows: Sequence[Row]) -> dict[Topic, int]:
        """Return the highest number of each recorded topic in the newest epoch."""
        epoch = max((row[1] for row in rows), default=0)
        newest = {
            (type(record), record.broker, record.symbol): (record, number)
            for record, row_epoch, number in rows
            if row_epoch == epoch
        }
        return {
            topic_of(record): number
            for record, number in newest.values()
            if self._series_ids[record.symbol, record.broker] is not None
        }

    def _learn(self, keys: set[Key]) -> None:
        """Know the series of each key; ask for them all if some are not known."""
        now_s = time.monotonic()
        is_skipping = any(self._series_ids.get(key) is None for key in keys)
        limit_s = RECHECK_S if is_skipping else settings.CATALOG_REFRESH_S
        if keys <= self._series_ids.keys() and now_s - self._asked_s < limit_s:
            return
        recorded = Instrument.objects.filter(record=True)
        symbols = set(recorded.values_list("symbol", flat=True))
        series = Series.objects.filter(instrument__record=True)
        found: dict[Key, int | None] = {
            (symbol, broker): series_id
            for symbol, broker, series_id in series.values_list(
                "instrument__symbol", "broker", "pk"
            )
        }
        for key in keys - found.keys():
            found[key] = _new_series(*key) if key[0] in symbols else None
        # Keys of other batches stay known, or each of their batches would ask.
        self._series_ids = dict.fromkeys(self._series_ids) | found
        self._asked_s = now_s


def _new_series(symbol: str, broker: str) -> int | None:
    """Return the id of the series, None where symbol or broker have no row."""
    try:
        return get_or_create_series(symbol, broker).pk
    except MarketDataError:
        return None
