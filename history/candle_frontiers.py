"""How far the candles of a series reach, and what a change before that raises."""

from collections.abc import Collection, Iterable

from history.changed_ranges import Cursor
from history.ranges import Range
from history.tables import PRICE_SIDE_CODES
from history.timestamps import to_datetime, to_us
from marketdata.timeframes import PriceSide

# Ticks make mids, trades make their own; other sides have the minutes of one of them.
_SIDES = (PRICE_SIDE_CODES[PriceSide.MID], PRICE_SIDE_CODES[PriceSide.TRADE])

# Nothing before `start` is asked for: live minutes are looked for in the newest chunk.
_SELECT = f"""
    SELECT r.series_id, max(c.time)
    FROM unnest(%(series_ids)s::int[], %(starts)s::timestamptz[])
        AS r (series_id, start)
    CROSS JOIN (VALUES ({_SIDES[0]}::smallint), ({_SIDES[1]}::smallint))
        AS side (code)
    CROSS JOIN LATERAL (
        SELECT c.time
        FROM candles_1m AS c
        WHERE c.series_id = r.series_id
          AND c.price_side = side.code
          AND c.time >= r.start
          AND c.time >= %(lo)s
        ORDER BY c.time DESC
        LIMIT 1
    ) AS c
    GROUP BY r.series_id
"""


def select_frontiers(cursor: Cursor, ranges: Iterable[Range]) -> dict[int, int]:
    """Return the start of the last stored 1m candle of each series.

    Series whose last one lies before their first range are left out: whatever the
    ranges hold is appended.
    """
    starts: dict[int, int] = {}
    for item in ranges:
        starts[item.series_id] = min(
            item.start_us, starts.get(item.series_id, item.start_us)
        )
    cursor.execute(
        _SELECT,
        {
            "series_ids": list(starts),
            "starts": [to_datetime(start_us) for start_us in starts.values()],
            "lo": to_datetime(min(starts.values())),
        },
    )
    return {series_id: to_us(time) for series_id, time in cursor.fetchall()}


def raise_revisions(cursor: Cursor, series_ids: Collection[int]) -> None:
    """Raise the revision of the series by one.

    Call it last: from here to the commit, writers of these series wait.
    """
    if not series_ids:
        return
    cursor.execute(
        """
        WITH locked AS (
            SELECT id
            FROM history_series
            WHERE id = ANY(%s)
            ORDER BY id
            FOR NO KEY UPDATE
        )
        UPDATE history_series AS s
        SET revision = s.revision + 1
        FROM locked
        WHERE s.id = locked.id
        """,
        (sorted(series_ids),),
    )
