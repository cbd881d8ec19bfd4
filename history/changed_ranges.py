"""Notes of what changed: writers leave them with the rows, the refresh takes them.

A note is written in the transaction that writes the rows. Whoever sees the note sees
the rows, and rows that a refresh could not see yet have a note it did not see either.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from history.ranges import WINDOW_US, Range, cut_ranges
from history.timestamps import to_datetime

# Longer ones are cut: the refresh of years can then commit in steps, and those who look
# for notes of a time know how early they may start.
MAX_NOTE_US = WINDOW_US

Note = tuple[int, int, int, int]  # series id, start, end (exclusive), due


class Cursor(Protocol):
    """What Django's cursors and psycopg's have in common."""

    def execute(self, query: Any, params: Any = None) -> Any: ...
    def fetchall(self) -> Any: ...
    def fetchone(self) -> Any: ...


def note_changed_ranges(cursor: Cursor, notes: Sequence[Note]) -> None:
    """Note that the candles of ranges must be computed again.

    Args:
        cursor: of the transaction that writes the rows.
        notes: (series id, start, end, due), microseconds UTC, end exclusive. A refresh
            leaves a note alone before ``due``: now for what is complete, the end of
            the minute for live records.
    """
    rows = [
        (piece.series_id, piece.start_us, piece.end_us, due_us)
        for series_id, start_us, end_us, due_us in notes
        for piece in cut_ranges([Range(series_id, start_us, end_us)], MAX_NOTE_US)
    ]
    if not rows:
        return
    cursor.execute(
        """
        INSERT INTO changed_ranges (series_id, start, "end", due)
        SELECT *
        FROM unnest(%s::int[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[])
        """,
        (
            [row[0] for row in rows],
            [to_datetime(row[1]) for row in rows],
            [to_datetime(row[2]) for row in rows],
            [to_datetime(row[3]) for row in rows],
        ),
    )
