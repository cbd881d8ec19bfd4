"""What is stored of a broker's trades whose ids follow each other by one. Blocks."""

import msgspec
from django.db import connection

# Older holes were fetched, or cannot be.
_HOURS = 1
# More than any market has had of one symbol, in a second and in one moment: a wider
# hole is none, but the step from the ids of one stream to those of another.
_MAX_PER_S = 10_000

_SELECT = """
    SELECT i.symbol, found.trade_id, found.next_id,
           (extract(epoch FROM found.time) * 1000000)::bigint, found.seconds
    FROM history_series AS s
    JOIN marketdata_instrument AS i ON i.id = s.instrument_id
    CROSS JOIN LATERAL (
        SELECT t.trade_id, t.time,
               lead(t.trade_id) OVER by_id AS next_id,
               extract(epoch FROM lead(t.time) OVER by_id - t.time)::float AS seconds
        FROM trades AS t
        WHERE t.series_id = s.id
          AND t.time > s.latest - make_interval(hours => %(hours)s)
          AND t.time <= s.latest
        WINDOW by_id AS (ORDER BY t.trade_id)
    ) AS found
    WHERE s.broker_id = %(broker)s
      AND i.record
      AND s.trade_count > 0
      AND (found.next_id IS NULL OR found.next_id > found.trade_id + 1)
    ORDER BY i.symbol, found.trade_id
"""


class StoredTrades(msgspec.Struct, frozen=True):
    """The newest trade of a symbol, and the ids that lack before it, first and last."""

    symbol: str
    newest_id: int
    newest_us: int
    holes: list[tuple[int, int]]


def select_stored_trades(broker: str) -> list[StoredTrades]:
    """Return what the last hour of each recorded series has of trades.

    Raises:
        django.db.Error: the database cannot be asked.
    """
    found: list[StoredTrades] = []
    holes: list[tuple[int, int]] = []
    with connection.cursor() as cursor:
        cursor.execute(_SELECT, {"broker": broker, "hours": _HOURS})
        for symbol, trade_id, next_id, time_us, seconds in cursor.fetchall():
            if next_id is not None:
                if next_id - trade_id - 1 <= possible_trades(seconds):
                    holes.append((trade_id + 1, next_id - 1))
            else:  # the last of its symbol
                found.append(StoredTrades(symbol, trade_id, time_us, holes))
                holes = []
    return found


def possible_trades(seconds: float) -> float:
    """Return how many trades of a symbol there can be in a time; of none below 0."""
    return (1 + seconds) * _MAX_PER_S if seconds >= 0 else 0
