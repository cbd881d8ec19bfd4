"""Time of `/api/candles` for 1,020 candles against the floor of query and JSON.

    python -m benchmarks.candles_rest [requests]

In one process, on one connection, in a database made for it and dropped. The floor is a
psycopg binary cursor and msgspec, without Django, checks, rounding or headers.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable

import django
import msgspec
import psycopg

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

# Models can be imported only now.
from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client, RequestFactory  # noqa: E402

from history.candle_bodies import CandleBody  # noqa: E402
from history.views import CandlesView  # noqa: E402
from tests.history.factories import T0, store_quotes  # noqa: E402

CANDLES = 1_020
SYMBOL = "BENCHA"
QUERY = {
    "symbol": SYMBOL,
    "timeframe": "1m",
    "from": T0,
    "to": T0 + 60 * (CANDLES - 1),
    "broker": "benchmark",
}
STATEMENT = """
    SELECT extract(epoch FROM time)::bigint, open, high, low, close
    FROM candles_1m
    WHERE series_id = %s AND price_side = 0 AND time >= to_timestamp(%s)
      AND time <= to_timestamp(%s)
    ORDER BY time
"""


def main(requests: int) -> None:
    """Print the medians and their ratios to the floor."""
    settings.ALLOWED_HOSTS = ["testserver"]
    name = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = "benchmark_candles_rest"
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        medians = measure(requests)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)
    lowest = next(iter(medians.values()))
    for way, median in medians.items():
        print(f"{way:28} {median:6.2f} ms  {median / lowest:5.2f} x")


def measure(requests: int) -> dict[str, float]:
    """Return the median of each way in milliseconds, the floor first."""
    quotes = [(T0 + 20 * i, 1.1 + i % 97 * 1e-5, 1.1002) for i in range(3 * CANDLES)]
    series = store_quotes(quotes, symbol=SYMBOL, broker="benchmark")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    ways: dict[str, Callable[[], bytes]] = {
        "psycopg + msgspec (floor)": lambda: floor(series.pk),
        "view (DRF, no middleware)": view,
        "Django client (everything)": through_client(Client()),
    }
    return {name: median_ms(way, requests) for name, way in ways.items()}


def floor(series_id: int) -> bytes:
    """Return the body with nothing but the query and the encoding."""
    # Not Django's own kind of cursor, which binds on the client and reads text.
    with psycopg.Cursor(connection.connection) as cursor:
        values = (series_id, QUERY["from"], QUERY["to"])
        cursor.execute(STATEMENT, values, binary=True)
        return msgspec.json.encode([CandleBody(*row) for row in cursor.fetchall()])


def view() -> bytes:
    """Return the body by the view alone."""
    request = RequestFactory().get("/api/candles", QUERY)
    return CandlesView.as_view()(request).render().content


def through_client(client: Client) -> Callable[[], bytes]:
    """Return a request through addresses and middleware."""
    return lambda: client.get("/api/candles", QUERY).content


def median_ms(way: Callable[[], bytes], requests: int) -> float:
    """Return the median of so many calls; the answer must hold all candles."""
    assert way().count(b'"time"') == CANDLES
    times = []
    for _ in range(requests):
        started = time.perf_counter()
        way()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
