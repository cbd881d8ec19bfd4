"""SQL of candle reads: the stored rows alone, and the stored rows with the live tail.

Parameters: series_id, price_side; start and end, the first and last bucket asked for;
for the tail also tail, the first minute that may be computed from its records, its
bucket's start tail_bucket, and hi, the end of the last bucket.
"""

from history.changed_ranges import MAX_NOTE_US
from history.models import CANDLE_TABLES
from marketdata.timeframes import STORED, PriceSide, Timeframe

_STORED = """
    SELECT c.time, c.open, c.high, c.low, c.close, c.volume, c.ticks, c.rev
    FROM {table} AS c
    WHERE c.series_id = %(series_id)s
      AND c.price_side = %(price_side)s
      AND c.time >= %(start)s
      AND c.time <= %(end)s"""

_TAIL = """
WITH minutes AS MATERIALIZED (
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
),
stored AS ({stored}
)
SELECT *
FROM stored
WHERE time NOT IN (SELECT time FROM buckets)
UNION ALL
SELECT f.*, coalesce((SELECT s.rev FROM stored AS s WHERE s.time = f.time), 0)
FROM fresh AS f
WHERE f.time >= %(start)s
  AND f.time <= %(end)s
ORDER BY 1
"""

# The minutes of a bucket that no note touches: at most 720 rows of the key, for 12h.
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
      AND c.time NOT IN (SELECT time FROM minutes)"""

# Per side: table, price, and what its volume sums (as `history.models.Candle` says).
_SOURCES = {
    PriceSide.MID: ("ticks", "(t.bid + t.ask) / 2", "t.bid_size"),
    PriceSide.BID: ("ticks", "t.bid", "t.bid_size"),
    PriceSide.ASK: ("ticks", "t.ask", "t.ask_size"),
    PriceSide.TRADE: ("trades", "t.price", "t.size"),
}


def _with_tail(timeframe: Timeframe, side: PriceSide) -> str:
    records, price, size = _SOURCES[side]
    length_s = timeframe.length_s
    return _TAIL.format(
        length_s=length_s,
        note_days=MAX_NOTE_US // 86_400_000_000,
        records=records,
        price=price,
        size=size,
        smaller="" if timeframe is Timeframe.M1 else _SMALLER.format(length_s=length_s),
        stored=_STORED.format(table=CANDLE_TABLES[timeframe]),
    )


SELECT_STORED = {
    timeframe: f"{_STORED.format(table=CANDLE_TABLES[timeframe])}\n    ORDER BY c.time"
    for timeframe in STORED
}
SELECT_WITH_TAIL = {
    (timeframe, side): _with_tail(timeframe, side)
    for timeframe in STORED
    for side in PriceSide
}
