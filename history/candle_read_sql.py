"""SQL of candle reads: stored rows, the live tail, roll-ups, limits.

`candle_plan` chooses and fills in. All return time, open, high, low, close, volume,
ticks, rev, complete, ascending. Parameters: series_id, price_side; lo and hi, the start
of the first bucket and the end of the last; now; limit, and source_limit, the most
source candles that so many buckets can have; gap_kind, whose gaps count; for the tail
also tail, the first minute that may be computed from its records, and its bucket's
start tail_bucket; for aligned buckets firsts and lasts, the runs of their starts.
"""

import msgspec

from history.changed_ranges import MAX_NOTE_US
from history.gap_sql import GAPS
from history.tables import CANDLE_TABLES
from marketdata.durations import DAY_US
from marketdata.timeframes import PriceSide, Timeframe

NOTE_DAYS = MAX_NOTE_US // DAY_US

# Per side: table, price, and what its volume sums (as `history.models.Candle` says).
RECORDS = {
    PriceSide.MID: ("ticks", "(t.bid + t.ask) / 2", "t.bid_size"),
    PriceSide.BID: ("ticks", "t.bid", "t.bid_size"),
    PriceSide.ASK: ("ticks", "t.ask", "t.ask_size"),
    PriceSide.TRADE: ("trades", "t.price", "t.size"),
}


class Shape(msgspec.Struct, frozen=True):
    """What decides the text of a read; everything else is a parameter."""

    timeframe: Timeframe
    source: Timeframe
    price_side: PriceSide
    is_aligned: bool
    has_tail: bool
    is_limited: bool
    takes_last: bool


# Notes that touch the range, joined: a bucket that one of them touches is not complete.
_PENDING = f"""
    pending AS MATERIALIZED (
        SELECT coalesce(
                   range_agg(tstzrange(n.start, n."end")), '{{}}'::tstzmultirange
               ) AS ranges
        FROM changed_ranges AS n
        WHERE n.series_id = %(series_id)s
          AND n.start > %(lo)s - INTERVAL '{NOTE_DAYS} days'
          AND n.start < %(hi)s
          AND n."end" > %(lo)s
    )"""

# Archives fill gaps with flat candles at the last close. We make none; one that was
# brought in counts no ticks, and is no candle here nor part of one.
_STORED = """
        SELECT c.time, c.open, c.high, c.low, c.close, c.volume, c.ticks, c.rev
        FROM {table} AS c
        WHERE c.series_id = %(series_id)s
          AND c.price_side = %(price_side)s
          AND c.time >= %(lo)s
          AND c.time < %(hi)s
          AND c.ticks > 0{condition}{limit}"""

# Buckets that hold noted minutes are put together of those minutes' records and of the
# stored 1m candles of their other minutes: at most 720 rows of the key, for 12h.
_TAIL = """
    minutes AS MATERIALIZED (
        SELECT DISTINCT generate_series(
            date_trunc('minute', greatest(n.start, %(tail)s)),
            least(n."end", %(hi)s) - INTERVAL '1 microsecond',
            INTERVAL '1 minute'
        ) AS time
        FROM changed_ranges AS n
        WHERE n.series_id = %(series_id)s
          AND n.start > %(tail)s - INTERVAL '{note_days} days'
          AND n.start < %(hi)s
          AND n."end" > %(tail)s
    ),
    buckets AS MATERIALIZED (
        SELECT DISTINCT time_bucket('{length_s} seconds', time) AS time
        FROM minutes
    ),
    records AS (
        SELECT m.time AS minute, t.*
        FROM minutes AS m
        CROSS JOIN LATERAL (
            SELECT t.time, t.seq, {price} AS price, {size} AS size
            FROM {records} AS t
            WHERE t.series_id = %(series_id)s
              AND t.time >= m.time
              AND t.time < m.time + INTERVAL '1 minute'
              AND t.time >= %(tail)s
              AND t.time < %(hi)s
            OFFSET 0
        ) AS t
    ),
    parts AS (
        SELECT r.minute AS time,
               (array_agg(r.price ORDER BY r.time, r.seq))[1] AS open,
               max(r.price) AS high,
               min(r.price) AS low,
               (array_agg(r.price ORDER BY r.time DESC, r.seq DESC))[1] AS close,
               coalesce(sum(r.size), 0) AS volume,
               count(*) AS ticks
        FROM records AS r
        GROUP BY r.minute{smaller}
    ),
    fresh AS (
        SELECT time_bucket('{length_s} seconds', p.time) AS time,
               first(p.open, p.time) AS open,
               max(p.high) AS high,
               min(p.low) AS low,
               last(p.close, p.time) AS close,
               sum(p.volume) AS volume,
               sum(p.ticks)::int AS ticks
        FROM parts AS p
        GROUP BY 1
    ),"""

_SMALLER = """
        UNION ALL
        SELECT c.time, c.open, c.high, c.low, c.close, c.volume, c.ticks
        FROM buckets AS b
        JOIN candles_1m AS c
          ON c.time >= b.time
         AND c.time < b.time + INTERVAL '{length_s} seconds'
        WHERE c.series_id = %(series_id)s
          AND c.price_side = %(price_side)s
          AND c.time >= %(tail_bucket)s
          AND c.time < %(hi)s
          AND c.ticks > 0
          AND c.time NOT IN (SELECT time FROM minutes)"""

_FRESH = """
        UNION ALL
        SELECT f.*, coalesce((SELECT c.rev
                              FROM {table} AS c
                              WHERE c.series_id = %(series_id)s
                                AND c.price_side = %(price_side)s
                                AND c.time = f.time
                                AND c.time >= %(tail_bucket)s
                                AND c.time < %(hi)s), 0)
        FROM fresh AS f"""

# Every change of a source candle, and each new one, raises the sum.
_ROLLED = """,
    rolled AS (
        SELECT {bucket} AS time,
               first(s.open, s.time) AS open,
               max(s.high) AS high,
               min(s.low) AS low,
               last(s.close, s.time) AS close,
               sum(s.volume) AS volume,
               sum(s.ticks)::int AS ticks,
               (sum(s.rev + 1) - 1)::int AS rev
        FROM source AS s
        GROUP BY 1
    )"""

_SELECT = """
WITH{pending},{tail}
    source AS ({stored}
    ){rolled},
    candles AS (
        SELECT * FROM {relation}{limit}
    )
SELECT c.time, c.open, c.high, c.low, c.close, c.volume, c.ticks, c.rev,
       {end} <= %(now)s
       AND NOT (SELECT p.ranges FROM pending AS p) && tstzrange(c.time, {end})
       AND NOT {gaps} && tstzrange(c.time, {end})
       AS complete
FROM candles AS c
ORDER BY c.time
"""

_RUN_OF = "width_bucket({time}, %(firsts)s::timestamptz[])"
_FIRST = "(%(firsts)s::timestamptz[])[{index}]"
_LAST = "(%(lasts)s::timestamptz[])[{index}]"


def select_sql(shape: Shape) -> str:
    """Return the statement of a shape."""
    direction = "DESC" if shape.takes_last else "ASC"
    by_time = "\n        ORDER BY {}time {} LIMIT %({})s".format
    is_rolled = shape.is_aligned or shape.source is not shape.timeframe
    inner = "source_limit" if is_rolled else "limit"
    limits = {"stored": "", "all": ""}
    if shape.is_limited:
        limits["stored"] = by_time("c.", direction, inner)
        # Without a tail or a roll-up the inner limit is the limit.
        if is_rolled or shape.has_tail:
            limits["all"] = by_time("", direction, "limit")
    return _SELECT.format(
        pending=_PENDING,
        tail=_tail(shape) if shape.has_tail else "",
        stored=_stored(shape, limits["stored"]),
        rolled=_ROLLED.format(bucket=_bucket(shape)) if is_rolled else "",
        relation="rolled" if is_rolled else "source",
        limit=limits["all"],
        end=_end(shape),
        gaps=GAPS,
    )


def _stored(shape: Shape, limit: str) -> str:
    table = CANDLE_TABLES[shape.source]
    if not shape.has_tail:
        return _STORED.format(table=table, condition="", limit=limit)
    condition = "\n          AND c.time NOT IN (SELECT b.time FROM buckets AS b)"
    stored = _STORED.format(table=table, condition=condition, limit=limit)
    return f"\n        ({stored}\n        ){_FRESH.format(table=table)}"


def _tail(shape: Shape) -> str:
    records, price, size = RECORDS[shape.price_side]
    length_s = shape.source.length_s
    has_smaller = shape.source is not Timeframe.M1
    return _TAIL.format(
        length_s=length_s,
        note_days=NOTE_DAYS,
        records=records,
        price=price,
        size=size,
        smaller=_SMALLER.format(length_s=length_s) if has_smaller else "",
    )


def _bucket(shape: Shape) -> str:
    """Return the start of the bucket that a source candle lies in."""
    if not shape.is_aligned:
        # From a Monday (2000-01-03) on, as Timescale counts where nothing is said.
        return f"time_bucket('{shape.timeframe.length_s} seconds', s.time)"
    run = _RUN_OF.format(time="s.time")
    first, last = _FIRST.format(index=run), _LAST.format(index=run)
    length = f"'{shape.timeframe.length_s} seconds'"
    return f"least(time_bucket({length}, s.time, {first}), {last})"


def _end(shape: Shape) -> str:
    """Return the end of the bucket that starts at c.time."""
    next_start = f"c.time + INTERVAL '{shape.timeframe.length_s} seconds'"
    if not shape.is_aligned:
        return next_start
    run = _RUN_OF.format(time="c.time")
    is_last = f"c.time = {_LAST.format(index=run)}"
    next_first = _FIRST.format(index=f"{run} + 1")
    return f"(CASE WHEN {is_last} THEN {next_first} ELSE {next_start} END)"
