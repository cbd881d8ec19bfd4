"""How fast a day of EURUSD gets from 24 files on disk to rows and refreshed candles.

    python -m benchmarks.import_day [--runs 5] [--source bi5-dir:<folder>] [--json]

Works in a scratch database beside the one of DATABASE_URL, made for it and dropped. By
turns it imports the day, and copies the same rows into the same table as another
series: what PostgreSQL alone takes. Both begin with empty tables; the start of the
interpreter and connecting are not counted.
"""

import io
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import django
import psycopg
from psycopg import sql

from benchmarks.command_line import parser_of, run_benchmark
from services.command_line import Parser

ROOT = Path(__file__).resolve().parent.parent
PAYLOADS = ROOT / "tests" / "payloads" / "dukascopy"
OTHER_SERIES = 2_000_000_000
DAY = "2019-02-04"


class Silent:
    """Progress that nobody sees."""

    def begin(self, symbol, hours): ...
    def wait(self, symbol): ...
    def advance(self, symbol, day, part): ...
    def complete(self, symbol, chunk): ...


def now_us() -> int:
    return time.time_ns() // 1_000


@contextmanager
def scratch_database() -> Iterator[None]:
    """Make a database, point the settings at it, migrate, and drop it at the end."""
    url = urlsplit(os.environ["DATABASE_URL"])
    name = f"bench_import_{os.getpid()}"
    admin = psycopg.connect(url.geturl(), autocommit=True)
    admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        os.environ["DATABASE_URL"] = url._replace(path=f"/{name}").geturl()
        os.environ.setdefault("SECRET_KEY", "benchmark")
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        sys.path.insert(0, str(ROOT))
        django.setup()
        yield
    finally:
        if "django.db" in sys.modules:
            sys.modules["django.db"].connections.close_all()
        admin.execute(
            sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        )


def measure(source_spec: str, runs: int) -> dict[str, object]:
    """Return the medians of ``runs`` imports and as many bare COPYs, by turns."""
    # Only now: they need the settings.
    from django.core.management import call_command
    from django.db import connection, transaction

    from history.tick_store import copy_ticks
    from importer.hours import parse_range
    from importer.import_ticks import ImportOrder, import_ticks
    from importer.instruments import select_instruments
    from importer.sources.registry import open_source

    call_command("migrate", verbosity=0, skip_checks=True)
    call_command("load_instruments", stdout=io.StringIO())
    order = ImportOrder(
        select_instruments(["EURUSD"]),
        parse_range(DAY, DAY, now_us=now_us()),
        open_source(source_spec),
    )
    rows = decode_day(order)

    def clear() -> None:
        with connection.cursor() as cursor:
            for table in ("ticks", "candles_1m", "candles_5m", "candles_15m",
                          "candles_1h", "candles_4h", "candles_12h", "import_hours",
                          "changed_ranges"):  # fmt: skip
                cursor.execute(f"DELETE FROM {table}")
                cursor.execute(f"VACUUM ANALYZE {table}")
            cursor.execute("UPDATE history_series SET latest = NULL, tick_count = 0")
            cursor.execute("CHECKPOINT")

    def timed_import() -> float:
        clear()
        started_s = time.perf_counter()
        report = import_ticks(order, Silent(), now_us=now_us)
        elapsed_s = time.perf_counter() - started_s
        assert report.ticks == len(rows)
        return elapsed_s

    def timed_copy() -> float:
        clear()
        started_s = time.perf_counter()
        with transaction.atomic():
            copy_ticks(connection.connection, rows)
        return time.perf_counter() - started_s

    timed_import(), timed_copy()  # makes the chunks and fills the caches
    pairs = [(timed_import(), timed_copy()) for _ in range(runs)]
    import_s = statistics.median(pair[0] for pair in pairs)
    copy_s = statistics.median(pair[1] for pair in pairs)
    return {
        "ticks": len(rows),
        "runs": runs,
        "import_s": round(import_s, 4),
        "ticks_per_s": round(len(rows) / import_s),
        "bare_copy_s": round(copy_s, 4),
        "ratio": round(import_s / copy_s, 2),
        "all_import_s": [round(pair[0], 4) for pair in pairs],
        "all_bare_copy_s": [round(pair[1], 4) for pair in pairs],
    }


def decode_day(order):
    """Return the day's rows as columns of another series."""
    from history.columns import join_imported
    from importer.hour_reader import HourReader

    reader = HourReader(order.source, order.instruments[0], series_id=OTHER_SERIES)
    hours = [reader.read(hour_us).columns for hour_us in order.hours.hours()]
    return join_imported(hours)


def main() -> None:
    options = parser().parse_args()
    with scratch_database():
        figures = measure(options.source, options.runs)
    if options.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name}: {value}" for name, value in figures.items()))


def parser() -> Parser:
    """Return the parser of the command line."""
    result = parser_of(
        "import_day", __doc__, "", "--runs 1 --source bi5-dir:/data/dukascopy --json"
    )
    result.add_argument("--runs", type=int, default=5)
    result.add_argument("--source", default=f"bi5-dir:{PAYLOADS}")
    result.add_argument("--json", action="store_true")
    return result


if __name__ == "__main__":
    run_benchmark(main, "import_day")
