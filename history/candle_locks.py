"""Locks of series' candles: who holds one may write them, or take their records away.

Take them first in a transaction, in id order, and read what they guard after that: the
holder before has committed then. Writers of records take none of them.
"""

from collections.abc import Sequence

from history.changed_ranges import Cursor

# First key of the advisory locks, the second is the series id: "mdcr".
LOCK_CLASS = 0x6D646372


def lock_candles(
    cursor: Cursor, series_ids: Sequence[int], *, wait: bool = True
) -> list[int]:
    """Lock the series until the transaction ends; return those that were free.

    Args:
        series_ids: ascending.
        wait: False takes those that nobody holds; else all are locked and returned.
    """
    if not wait:
        locked = []
        for series_id in series_ids:
            cursor.execute(
                "SELECT pg_try_advisory_xact_lock(%s, %s)", (LOCK_CLASS, series_id)
            )
            if cursor.fetchone()[0]:
                locked.append(series_id)
        return locked
    for series_id in series_ids:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCK_CLASS, series_id))
    return list(series_ids)
