"""Stores what dead processes left, but for what a later one has, too. Blocks.

A process that was cut off from the database, or stopped for a while, goes on reading
until it knows that another one is active: both have the same ticks then, under two
numbers. Trades are told by their ids; ticks by when they were received, in the series
of which the later process has some.
"""

import math
from collections.abc import Sequence

from django.db import connection

from history.batch_writer import Store
from history.live_rows import Row
from history.record_batch import StoredBatch
from history.timestamps import to_datetime, to_us
from marketdata.numbering import pack
from marketdata.records import Tick

_FIRST = """
    SELECT i.symbol, later.received
    FROM history_series AS s
    JOIN marketdata_instrument AS i ON i.id = s.instrument_id
    CROSS JOIN LATERAL (
        SELECT min(t.received) AS received
        FROM ticks AS t
        WHERE t.series_id = s.id
          AND t.time >= %(start)s
          AND t.time <= %(end)s
          AND t.seq >= %(seq)s
    ) AS later
    WHERE s.broker_id = %(broker)s AND later.received IS NOT NULL
"""


class LeftStore:
    """Stores rows of one broker and epoch, which is over."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def store(self, rows: Sequence[Row]) -> StoredBatch:
        """Store the rows; those that a later process has count as duplicates.

        Raises: as `BatchStore.store`.
        """
        kept = without_copies(rows)
        done = self._store.store(kept)
        return done._replace(duplicates=done.duplicates + len(rows) - len(kept))

    def close(self) -> None:
        """Close the thread's connection."""
        self._store.close()


def without_copies(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows without the ticks that came when a later process had begun.

    Raises:
        django.db.Error: the database cannot be asked; the connection is closed.
    """
    ticks = [record for record, _, _ in rows if isinstance(record, Tick)]
    if not ticks:
        return rows
    times = [tick.time_us for tick in ticks]
    values = {
        "broker": ticks[0].broker,
        "start": to_datetime(min(times)),
        "end": to_datetime(max(times)),
        "seq": pack(max(epoch for _, epoch, _ in rows) + 1, 0),
    }
    try:
        with connection.cursor() as cursor:
            cursor.execute(_FIRST, values)
            firsts = {symbol: to_us(received) for symbol, received in cursor}
    except Exception:
        connection.close()
        raise
    if not firsts:
        return rows
    return [
        row
        for row in rows
        if not isinstance(row[0], Tick)
        or row[0].received_us < firsts.get(row[0].symbol, math.inf)
    ]
