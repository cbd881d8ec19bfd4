"""Where the stored records of a broker end. Blocks, on Django's connection."""

from django.db import connection

from history.timestamps import to_us
from marketdata.records import Tick

# A broker repeats its last price over a week end, too, and a few days.
_SELECT_TICKS = """
    SELECT i.symbol, t.time, t.received, t.bid, t.ask, t.bid_size, t.ask_size
    FROM history_series AS s
    JOIN marketdata_instrument AS i ON i.id = s.instrument_id AND i.record
    CROSS JOIN LATERAL (
        SELECT time, received, bid, ask, bid_size, ask_size
        FROM ticks
        WHERE series_id = s.id
          AND time <= s.latest
          AND time > s.latest - interval '7 days'
        ORDER BY time DESC, seq DESC
        LIMIT 1
    ) AS t
    WHERE s.broker_id = %s AND s.tick_count > 0
"""


def select_last_ticks(broker: str) -> list[Tick]:
    """Return the last stored tick of each recorded symbol.

    A symbol that had none in its last week is left out.

    Raises:
        django.db.Error: the database cannot be asked.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SELECT_TICKS, [broker])
        return [
            Tick(
                broker=broker,
                symbol=symbol,
                time_us=to_us(time),
                received_us=to_us(received or time),
                bid=bid,
                ask=ask,
                bid_size=bid_size,
                ask_size=ask_size,
            )
            for symbol, time, received, bid, ask, bid_size, ask_size in cursor
        ]
