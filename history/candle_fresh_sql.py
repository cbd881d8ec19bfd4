"""SQL that computes candles for the refresh: the part that `candle_sql` writes with.

Each text is one or two terms of a WITH, the last of them `fresh`, over `ranges`
(series_id, start, "end"); parameters lo and hi as there.
"""

from history.tables import PRICE_SIDE_CODES
from marketdata.timeframes import PriceSide

MID, BID, ASK, TRADE = (
    PRICE_SIDE_CODES[side]
    for side in (PriceSide.MID, PriceSide.BID, PriceSide.ASK, PriceSide.TRADE)
)

# One pass over the ticks serves all three sides. `first(bid, time)` would be wrong
# where ticks share an instant: open and close are looked up by the key's (time, seq).
FRESH_FROM_TICKS = f"""
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

FRESH_FROM_TRADES = f"""
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

# Candles of a side have one row per time, so `first` and `last` meet no ties here. A
# flat candle without ticks, as archives fill gaps with, would give a wrong open.
FRESH_FROM_CANDLES = """
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
              AND c.ticks > 0
            GROUP BY 1, 2
        ) AS f
    )"""
