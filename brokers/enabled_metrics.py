"""Which feeds there should be, for Prometheus: one that is dead says nothing."""

from django.conf import settings

from history.reader import Reader
from marketdata.broker_switches import enabled_brokers
from marketdata.metric_families import Family

_SWITCHES = "SELECT name, is_enabled FROM marketdata_broker"


async def enabled_metrics(reader: Reader) -> list[Family]:
    """Return a sample for each broker whose feed is to run.

    Raises:
        psycopg.Error: as the reader says.
    """
    rows = await reader.fetch(_SWITCHES) if settings.DATABASE_URL else []
    brokers = enabled_brokers(settings.BROKERS_ENABLED, dict(rows))
    samples = [("", {"broker": broker}, 1.0) for broker in brokers]
    help = "1 for each broker whose feed is to run."
    return [Family("marketdata_feed_enabled", "gauge", help, samples)]
