"""Ticks, trades and the small candles become hypertables; the extension if need be.

Without the default index on time: the keys serve every query, and it halves the speed
of COPY. Larger candles stay plain tables: a series has 8,760 hours in a year.
"""

from django.conf import settings
from django.db import migrations

_CHUNK_DAYS = {
    "ticks": settings.TICK_CHUNK_DAYS,
    "trades": settings.TICK_CHUNK_DAYS,
    "candles_1m": 90,
    "candles_5m": 365,
    "candles_15m": 365,
}


def _create_hypertable(table: str, days: int) -> migrations.RunSQL:
    # A hypertable cannot become a plain table again but by copying it, and the only way
    # back from here is to drop it, which the migration before this one does.
    return migrations.RunSQL(
        f"""
        SELECT create_hypertable(
            '{table}',
            by_range('time', INTERVAL '{days:d} days'),
            create_default_indexes => FALSE,
            if_not_exists => TRUE
        )
        """,
        migrations.RunSQL.noop,
    )


class Migration(migrations.Migration):
    dependencies = [("history", "0001_initial")]

    operations = [
        # Not dropped on the way back: other tables of the database may use it.
        migrations.RunSQL(
            "CREATE EXTENSION IF NOT EXISTS timescaledb", migrations.RunSQL.noop
        ),
        *(_create_hypertable(table, days) for table, days in _CHUNK_DAYS.items()),
    ]
