"""What retention dropped, and where candles begin though their records do not.

Of series whose records were dropped before, that is told by candles that lie before the
first record that is left.
"""

from django.db import migrations, models

import history.time_ranges

_FILL = "UPDATE history_series SET candles_from = earliest"

# Per kind of records, with the price side of its candles.
_FILL_DROPPED = """
    UPDATE history_series AS s
    SET dropped_{table} = tstzmultirange(
            tstzrange(date_trunc('hour', c.first_time, 'UTC'), c.end_time)
        ),
        candles_from = least(s.candles_from, c.first_time),
        latest = greatest(s.latest, c.last_time)
    FROM (
        SELECT series.id,
               first.time AS first_time,
               last.time AS last_time,
               date_trunc(
                   'hour',
                   coalesce(record.time, last.time + INTERVAL '1 hour'),
                   'UTC'
               ) AS end_time
        FROM history_series AS series
        CROSS JOIN LATERAL (
            SELECT time
            FROM candles_1m
            WHERE series_id = series.id AND price_side = {side} AND ticks > 0
            ORDER BY time
            LIMIT 1
        ) AS first
        CROSS JOIN LATERAL (
            SELECT time
            FROM candles_1m
            WHERE series_id = series.id AND price_side = {side} AND ticks > 0
            ORDER BY time DESC
            LIMIT 1
        ) AS last
        LEFT JOIN LATERAL (
            SELECT time
            FROM {table}
            WHERE series_id = series.id
            ORDER BY time
            LIMIT 1
        ) AS record ON TRUE
    ) AS c
    WHERE s.id = c.id
      AND c.first_time < c.end_time
"""

# As before, but that dukascopy's history counts where its ticks are dropped. The order
# is that of `history.series_query`; a test holds the two together.
_DEFAULT_SERIES = """
    CREATE OR REPLACE VIEW default_series AS
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
             (s.broker_id = 'dukascopy' AND {has_ticks}) DESC,
             b.is_simulated,
             s.tick_count DESC,
             s.trade_count DESC,
             s.broker_id
"""
_HAS_TICKS = "(s.tick_count > 0 OR NOT isempty(s.dropped_ticks))"


def _add(name: str, field: models.Field) -> migrations.AddField:
    return migrations.AddField(model_name="series", name=name, field=field)


class Migration(migrations.Migration):
    dependencies = [("history", "0003_views")]

    operations = [
        _add("candles_from", models.DateTimeField(null=True)),
        *(
            _add(
                f"dropped_{table}",
                history.time_ranges.TimeRangesField(db_default="{}", editable=False),
            )
            for table in ("ticks", "trades")
        ),
        migrations.RunSQL(_FILL, migrations.RunSQL.noop),
        *(
            migrations.RunSQL(
                _FILL_DROPPED.format(table=table, side=side), migrations.RunSQL.noop
            )
            for table, side in (("ticks", 0), ("trades", 3))
        ),
        migrations.RunSQL(
            _DEFAULT_SERIES.format(has_ticks=_HAS_TICKS),
            _DEFAULT_SERIES.format(has_ticks="s.tick_count > 0"),
        ),
    ]
