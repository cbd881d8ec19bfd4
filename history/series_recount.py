"""The statistics of a series against its rows: counted whole, and set right.

Writers keep statistics true in their own transactions (`history.series`); this is for
rows that somebody else changed.
"""

from datetime import datetime
from typing import NamedTuple

from django.db import connection, transaction

from history.changed_ranges import Cursor
from history.dropped_ranges import DROPPED_FROM, DROPPED_UNTIL

# One statement, so that both halves are of one moment. Not bounded in time, on purpose:
# rows outside of the statistics are to be found.
_COMPARE = f"""
    SELECT tick_count, trade_count, earliest, candles_from, latest,
           counted.ticks,
           counted.trades,
           counted.first_time,
           least(counted.first_time, {DROPPED_FROM}),
           greatest(counted.last_time, {DROPPED_UNTIL})
    FROM history_series
    CROSS JOIN LATERAL (
        SELECT (SELECT count(*) FROM ticks WHERE series_id = %(id)s) AS ticks,
               (SELECT count(*) FROM trades WHERE series_id = %(id)s) AS trades,
               least(
                   (SELECT time FROM ticks WHERE series_id = %(id)s
                    ORDER BY time LIMIT 1),
                   (SELECT time FROM trades WHERE series_id = %(id)s
                    ORDER BY time LIMIT 1)
               ) AS first_time,
               greatest(
                   (SELECT time FROM ticks WHERE series_id = %(id)s
                    ORDER BY time DESC LIMIT 1),
                   (SELECT time FROM trades WHERE series_id = %(id)s
                    ORDER BY time DESC LIMIT 1)
               ) AS last_time
    ) AS counted
    WHERE id = %(id)s
"""
_CORRECT = """
    UPDATE history_series
    SET tick_count = %s, trade_count = %s,
        earliest = %s, candles_from = %s, latest = %s,
        revision = revision + 1
    WHERE id = %s
"""


class Statistics(NamedTuple):
    """What the statistics of a series say, or should say."""

    ticks: int
    trades: int
    earliest: datetime | None
    candles_from: datetime | None
    latest: datetime | None


def compare_statistics(series_id: int) -> tuple[Statistics, Statistics]:
    """Return the kept statistics and the counted ones.

    Reads every key of the series, however many years those are.
    """
    with connection.cursor() as cursor:
        return _compare(cursor, series_id)


def correct_statistics(series_id: int) -> bool:
    """Set the statistics to what is counted; return whether they differed.

    Writers of the series wait with their commit meanwhile, so that none is counted
    twice or not at all.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM history_series WHERE id = %s FOR NO KEY UPDATE", (series_id,)
        )
        kept, counted = _compare(cursor, series_id)
        if kept == counted:
            return False
        cursor.execute(_CORRECT, (*counted, series_id))
        return True


def _compare(cursor: Cursor, series_id: int) -> tuple[Statistics, Statistics]:
    cursor.execute(_COMPARE, {"id": series_id})
    row = cursor.fetchone()
    return Statistics(*row[:5]), Statistics(*row[5:])
