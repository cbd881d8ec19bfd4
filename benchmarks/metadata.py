"""Time of `/api/metadata` with 10 million ticks stored (COMPAT check 39).

    python -m benchmarks.metadata [--runs 30]

Statistics are kept by the writers, so the answer must not depend on how much there is:
fails if the median of either form takes 50 ms. Works in a scratch database of its own.
"""

import os
import statistics
import time

import django

from benchmarks.command_line import parser_of, run_benchmark
from services.command_line import Parser

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("SECRET_KEY", "benchmark")
os.environ.setdefault("LOG_LEVEL", "warning")
django.setup()

from django.db import connection, transaction  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from history.series import Change, apply_changes, get_or_create_series  # noqa: E402
from history.timestamps import to_datetime  # noqa: E402
from marketdata.models import Broker, Instrument  # noqa: E402
from tests.rest_client import RestClient  # noqa: E402

SYMBOLS = 10
TICKS = 1_000_000  # of each symbol, one a second
START_US = 1_704_067_200_000_000  # 2024-01-01
MAX_MS = 50  # which check 39 allows
ADDRESSES = ("/api/metadata", "/api/metadata?symbol=SYM005", "/api/symbols")


def fill() -> None:
    """Store the ticks with their statistics."""
    Broker.objects.create(name="dukascopy", title="Dukascopy")
    for number in range(SYMBOLS):
        symbol = f"SYM{number:03d}"
        Instrument.objects.create(
            symbol=symbol, base="SYM", quote=symbol[3:], type="forex", decimals=5
        )
        series_id = get_or_create_series(symbol, "dukascopy").pk
        last_us = START_US + (TICKS - 1) * 1_000_000
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO ticks
                SELECT %s, t, 0, 1.1, 1.2, 1, 1, NULL
                FROM generate_series(%s, %s, INTERVAL '1 second') AS t
                """,
                [series_id, to_datetime(START_US), to_datetime(last_us)],
            )
            added = cursor.rowcount
            change = Change(
                series_id=series_id,
                ticks_added=added,
                first_us=START_US,
                last_us=last_us,
            )
            apply_changes(cursor, [change])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def median_ms(rest: RestClient, address: str, runs: int) -> float:
    """Return the median time of an answer, the first one left out."""
    times = []
    for _ in range(runs + 1):
        started_s = time.perf_counter()
        answer = rest.get(address)
        times.append(time.perf_counter() - started_s)
        assert answer.status_code == 200
    return 1000 * statistics.median(times[1:])


def measure(runs: int) -> float:
    """Print the time of each address; return the longest."""
    rest = RestClient()
    try:
        stored = sum(
            item["tick_count"] for item in rest.get(ADDRESSES[0]).json()["symbols"]
        )
        assert stored == SYMBOLS * TICKS
        found = {address: median_ms(rest, address, runs) for address in ADDRESSES}
    finally:
        rest.close()
    for address, took_ms in found.items():
        print(f"{address:28} {stored:10,} ticks {took_ms:8.2f} ms  limit {MAX_MS} ms")
    return max(found.values())


def main() -> int:
    """Measure in a scratch database; return 1 if the limit is not kept."""
    runs = parser().parse_args().runs
    name = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = f"bench_metadata_{os.getpid()}"
    setup_test_environment()  # allows the client's host
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        fill()
        longest_ms = measure(runs)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)
    return int(longest_ms > MAX_MS)


def parser() -> Parser:
    """Return the parser of the command line."""
    result = parser_of("metadata", __doc__, "", "--runs 5")
    result.add_argument("--runs", type=int, default=30)
    return result


if __name__ == "__main__":
    run_benchmark(main, "metadata")
