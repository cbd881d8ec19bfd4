"""Views for people with psql: `market_ticks` and `forex_candles_5m` .. `_12h`.

Server A's names and columns (COMPAT A-DB-01, A-DB-05). The candles are mids of the
series that answers where no broker is named.
"""

from django.db import migrations

_MARKET_TICKS = """
    CREATE VIEW market_ticks AS
    SELECT t.time,
           i.symbol,
           t.ask,
           t.bid,
           (t.bid + t.ask) / 2 AS mid_price,
           s.broker_id AS broker
    FROM ticks AS t
    JOIN history_series AS s ON s.id = t.series_id
    JOIN marketdata_instrument AS i ON i.id = s.instrument_id
"""

# The order is that of `history.series_query`; a test holds the two together.
_DEFAULT_SERIES = """
    CREATE VIEW default_series AS
    SELECT DISTINCT ON (i.symbol)
           s.id AS series_id,
           i.symbol,
           s.broker_id AS broker
    FROM history_series AS s
    JOIN marketdata_instrument AS i ON i.id = s.instrument_id
    JOIN marketdata_broker AS b ON b.name = s.broker_id
    WHERE s.latest IS NOT NULL
    ORDER BY i.symbol,
             coalesce(s.broker_id = i.history_broker_id, FALSE) DESC,
             (s.broker_id = 'dukascopy' AND s.tick_count > 0) DESC,
             b.is_simulated,
             s.tick_count DESC,
             s.trade_count DESC,
             s.broker_id
"""

_FOREX_CANDLES = """
    CREATE VIEW forex_candles_{timeframe} AS
    SELECT d.symbol,
           c.time AS t_open,
           c.open,
           c.high,
           c.low,
           c.close
    FROM default_series AS d
    JOIN candles_{timeframe} AS c ON c.series_id = d.series_id AND c.price_side = 0
"""


class Migration(migrations.Migration):
    dependencies = [
        ("history", "0002_hypertables"),
        ("marketdata", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(_MARKET_TICKS, "DROP VIEW market_ticks"),
        migrations.RunSQL(_DEFAULT_SERIES, "DROP VIEW default_series"),
        *(
            migrations.RunSQL(
                _FOREX_CANDLES.format(timeframe=timeframe),
                f"DROP VIEW forex_candles_{timeframe}",
            )
            for timeframe in ("5m", "15m", "1h", "4h", "12h")
        ),
    ]
