"""Where the stored trades of a broker end. Blocks, on Django's connection."""

from django.db import connection

from history.timestamps import to_us

# What is older is not asked of a broker any more.
_SELECT = """
    SELECT i.symbol, t.trade_id, t.time
    FROM history_series AS s
    JOIN marketdata_instrument AS i ON i.id = s.instrument_id AND i.record
    CROSS JOIN LATERAL (
        SELECT trade_id, time
        FROM trades
        WHERE series_id = s.id
          AND time <= s.latest
          AND time > s.latest - interval '7 days'
        ORDER BY time DESC, trade_id DESC
        LIMIT 1
    ) AS t
    WHERE s.broker_id = %s AND s.trade_count > 0
"""


def select_last_trades(broker: str) -> dict[str, tuple[int, int]]:
    """Return id and time, in us, of the last trade of each recorded symbol.

    A symbol that had none in its last week is left out. Only for brokers whose trades
    have ids.

    Raises:
        django.db.Error: the database cannot be asked.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SELECT, [broker])
        return {symbol: (number, to_us(time)) for symbol, number, time in cursor}
