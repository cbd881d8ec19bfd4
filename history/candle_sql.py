"""SQL of the candle refresh: one statement per timeframe over all ranges at once.

Each statement computes the candles of the ranges, deletes stored ones that have no
records any more, and upserts those that differ. `rev` rises only where a value differs.
Parameters: series_ids, starts, ends (arrays, one element per range), lo and hi, the
bounds of all ranges: constants, so that the planner sees only the chunks between them.

Every table is read by LATERAL, fenced by its GROUP BY or an OFFSET 0. The planner, who
guesses a row or two for each part, then has only probes of the key to choose from: it
once joined a day's 864 candles to themselves in a loop over all pairs, for 75 ms.
"""

from history.models import CANDLE_TABLES, PRICE_SIDE_CODES
from marketdata.timeframes import STORED, PriceSide, Timeframe

MID, BID, ASK, TRADE = (
    PRICE_SIDE_CODES[side]
    for side in (PriceSide.MID, PriceSide.BID, PriceSide.ASK, PriceSide.TRADE)
)

_RANGES = """
    ranges AS (
        SELECT *
        FROM unnest(%(series_ids)s::int[], %(starts)s::timestamptz[],
                    %(ends)s::timestamptz[]) AS r (series_id, start, "end")
    )"""

# One pass over the ticks serves all three sides. `first(bid, time)` would be wrong
# where ticks share an instant: open and close are looked up by the key's (time, seq).
_FRESH_FROM_TICKS = f"""
    minutes AS MATERIALIZED (
        SELECT r.series_id, m.*
        FROM ranges AS r
        CROSS JOIN LATERAL (
            SELECT time_bucket('1 minute', t.time) AS time,
                   min(t.time) AS first_time,
                   max(t.time) AS last_time,
                   max((t.bid + t.ask) / 2) AS mid_high,
                   min((t.bid + t.ask) / 2) AS mid_low,
                   max(t.bid) AS bid_high,
                   min(t.bid) AS bid_low,
                   max(t.ask) AS ask_high,
                   min(t.ask) AS ask_low,
                   coalesce(sum(t.bid_size), 0) AS bid_volume,
                   coalesce(sum(t.ask_size), 0) AS ask_volume,
                   count(*)::int AS ticks
            FROM ticks AS t
            WHERE t.series_id = r.series_id
              AND t.time >= r.start
              AND t.time < r."end"
              AND t.time >= %(lo)s
              AND t.time < %(hi)s
            GROUP BY 1
        ) AS m
    ),
    fresh AS MATERIALIZED (
        SELECT m.series_id, side.price_side, m.time,
               side.open, side.high, side.low, side.close, side.volume, m.ticks
        FROM minutes AS m
        CROSS JOIN LATERAL (
            SELECT t.bid, t.ask
            FROM ticks AS t
            WHERE t.series_id = m.series_id
              AND t.time = m.first_time
              AND t.time >= %(lo)s
              AND t.time < %(hi)s
            ORDER BY t.seq
            LIMIT 1
        ) AS first
        CROSS JOIN LATERAL (
            SELECT t.bid, t.ask
            FROM ticks AS t
            WHERE t.series_id = m.series_id
              AND t.time = m.last_time
              AND t.time >= %(lo)s
              AND t.time < %(hi)s
            ORDER BY t.seq DESC
            LIMIT 1
        ) AS last
        CROSS JOIN LATERAL (
            VALUES ({MID}::smallint, (first.bid + first.ask) / 2, m.mid_high, m.mid_low,
                    (last.bid + last.ask) / 2, m.bid_volume),
                   ({BID}::smallint, first.bid, m.bid_high, m.bid_low,
                    last.bid, m.bid_volume),
                   ({ASK}::smallint, first.ask, m.ask_high, m.ask_low,
                    last.ask, m.ask_volume)
        ) AS side (price_side, open, high, low, close, volume)
    )"""

_FRESH_FROM_TRADES = f"""
    minutes AS MATERIALIZED (
        SELECT r.series_id, m.*
        FROM ranges AS r
        CROSS JOIN LATERAL (
            SELECT time_bucket('1 minute', t.time) AS time,
                   min(t.time) AS first_time,
                   max(t.time) AS last_time,
                   max(t.price) AS high,
                   min(t.price) AS low,
                   sum(t.size) AS volume,
                   count(*)::int AS ticks
            FROM trades AS t
            WHERE t.series_id = r.series_id
              AND t.time >= r.start
              AND t.time < r."end"
              AND t.time >= %(lo)s
              AND t.time < %(hi)s
            GROUP BY 1
        ) AS m
    ),
    fresh AS MATERIALIZED (
        SELECT m.series_id, {TRADE}::smallint AS price_side, m.time,
               first.price AS open, m.high, m.low, last.price AS close,
               m.volume, m.ticks
        FROM minutes AS m
        CROSS JOIN LATERAL (
            SELECT t.price
            FROM trades AS t
            WHERE t.series_id = m.series_id
              AND t.time = m.first_time
              AND t.time >= %(lo)s
              AND t.time < %(hi)s
            ORDER BY t.seq
            LIMIT 1
        ) AS first
        CROSS JOIN LATERAL (
            SELECT t.price
            FROM trades AS t
            WHERE t.series_id = m.series_id
              AND t.time = m.last_time
              AND t.time >= %(lo)s
              AND t.time < %(hi)s
            ORDER BY t.seq DESC
            LIMIT 1
        ) AS last
    )"""

# Candles of a side have one row per time, so `first` and `last` meet no ties here.
_FRESH_FROM_CANDLES = """
    fresh AS MATERIALIZED (
        SELECT r.series_id, f.*
        FROM ranges AS r
        CROSS JOIN LATERAL (
            SELECT c.price_side,
                   time_bucket('{length_s} seconds', c.time) AS time,
                   first(c.open, c.time) AS open,
                   max(c.high) AS high,
                   min(c.low) AS low,
                   last(c.close, c.time) AS close,
                   sum(c.volume) AS volume,
                   sum(c.ticks)::int AS ticks
            FROM {source} AS c
            WHERE c.series_id = r.series_id
              AND c.price_side IN ({sides})
              AND c.time >= r.start
              AND c.time < r."end"
              AND c.time >= %(lo)s
              AND c.time < %(hi)s
            GROUP BY 1, 2
        ) AS f
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
    RETURNING 1
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
    RETURNING 1
)
SELECT (SELECT count(*) FROM written), (SELECT count(*) FROM deleted)
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
        fresh = _FRESH_FROM_CANDLES.format(
            length_s=timeframe.length_s, source=CANDLE_TABLES[smaller], sides=ALL_SIDES
        )
        statements[timeframe] = _write(timeframe, fresh, ALL_SIDES)
    return statements


WRITE_FROM_TICKS = _write(Timeframe.M1, _FRESH_FROM_TICKS, TICK_SIDES)
WRITE_FROM_TRADES = _write(Timeframe.M1, _FRESH_FROM_TRADES, TRADE_SIDES)
WRITE_FROM_SMALLER = _cascade()
"""Statement of each stored timeframe above 1m, from the smallest up."""
