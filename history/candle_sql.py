"""SQL of the candle refresh: one statement per timeframe over all ranges at once.

Each statement computes the candles of the ranges, deletes stored ones that have no
records any more, and upserts those that differ. `rev` rises only where a value differs.
Parameters: series_ids, starts, ends (arrays, one element per range), lo and hi, the
bounds of all ranges: constants, so that the planner sees only the chunks between them.
It returns one row: candles written, candles deleted, the series of which one of these
differs, and the earliest bucket that does, in each.

Every table is read by LATERAL, fenced by its GROUP BY or an OFFSET 0. The planner, who
guesses a row or two for each part, then has only probes of the key to choose from: it
once joined a day's 864 candles to themselves in a loop over all pairs, for 75 ms.
"""

from history.candle_fresh_sql import (
    ASK,
    BID,
    FRESH_FROM_CANDLES,
    FRESH_FROM_TICKS,
    FRESH_FROM_TRADES,
    MID,
    TRADE,
)
from history.tables import CANDLE_TABLES
from marketdata.timeframes import STORED, Timeframe

_RANGES = """
    ranges AS (
        SELECT *
        FROM unnest(%(series_ids)s::int[], %(starts)s::timestamptz[],
                    %(ends)s::timestamptz[]) AS r (series_id, start, "end")
    )"""

# Sums of floats depend on the order in which rows are read, so volumes count as equal
# within a billionth; a bucket with one record more differs in `ticks` anyway.
_WRITE = """
WITH {ranges},
{fresh},
gone AS (
    SELECT r.series_id, c.price_side, c.time
    FROM ranges AS r
    CROSS JOIN LATERAL (
        SELECT c.price_side, c.time
        FROM {table} AS c
        WHERE c.series_id = r.series_id
          AND c.price_side IN ({sides})
          AND c.time >= r.start
          AND c.time < r."end"
          AND c.time >= %(lo)s
          AND c.time < %(hi)s
        OFFSET 0
    ) AS c
    EXCEPT
    SELECT f.series_id, f.price_side, f.time
    FROM fresh AS f
),
deleted AS (
    DELETE FROM {table} AS c
    USING gone
    WHERE c.series_id = gone.series_id
      AND c.price_side = gone.price_side
      AND c.time = gone.time
      AND c.time >= %(lo)s
      AND c.time < %(hi)s
    RETURNING c.series_id, c.time
),
written AS (
    INSERT INTO {table} AS c
        (series_id, price_side, time, open, high, low, close, volume, ticks, rev)
    SELECT f.series_id, f.price_side, f.time,
           f.open, f.high, f.low, f.close, f.volume, f.ticks, 0
    FROM fresh AS f
    ON CONFLICT (series_id, price_side, time) DO UPDATE
    SET open = excluded.open,
        high = excluded.high,
        low = excluded.low,
        close = excluded.close,
        volume = excluded.volume,
        ticks = excluded.ticks,
        rev = c.rev + 1
    WHERE (c.open, c.high, c.low, c.close, c.ticks)
          IS DISTINCT FROM
          (excluded.open, excluded.high, excluded.low, excluded.close, excluded.ticks)
       OR abs(c.volume - excluded.volume) > 1e-9 * abs(c.volume)
    RETURNING c.series_id, c.time
),
changed AS (
    SELECT c.series_id, min(c.time) AS time
    FROM (SELECT * FROM written UNION ALL SELECT * FROM deleted) AS c
    GROUP BY c.series_id
)
SELECT (SELECT count(*) FROM written),
       (SELECT count(*) FROM deleted),
       ARRAY(SELECT c.series_id FROM changed AS c ORDER BY c.series_id),
       ARRAY(SELECT c.time FROM changed AS c ORDER BY c.series_id)
"""

TICK_SIDES = f"{MID}, {BID}, {ASK}"
TRADE_SIDES = f"{TRADE}"
ALL_SIDES = f"{TICK_SIDES}, {TRADE_SIDES}"


def _write(timeframe: Timeframe, fresh: str, sides: str) -> str:
    table = CANDLE_TABLES[timeframe]
    return _WRITE.format(ranges=_RANGES, fresh=fresh, table=table, sides=sides)


def _cascade() -> dict[Timeframe, str]:
    statements = {}
    for smaller, timeframe in zip(STORED, STORED[1:], strict=False):
        fresh = FRESH_FROM_CANDLES.format(
            length_s=timeframe.length_s, source=CANDLE_TABLES[smaller], sides=ALL_SIDES
        )
        statements[timeframe] = _write(timeframe, fresh, ALL_SIDES)
    return statements


WRITE_FROM_TICKS = _write(Timeframe.M1, FRESH_FROM_TICKS, TICK_SIDES)
WRITE_FROM_TRADES = _write(Timeframe.M1, FRESH_FROM_TRADES, TRADE_SIDES)
WRITE_FROM_SMALLER = _cascade()
"""Statement of each stored timeframe above 1m, from the smallest up."""
