"""How fast a month gets from 744 files on disk to rows and refreshed candles.

    python -m benchmarks.import_month [--runs 3] [--workers N] [--files <folder>]

2.6 million synthetic ticks of EURUSD in 31 x 24 `.bi5` files; the database has 20
years of chunks without rows beside them. By turns `manage.py import_ticks` imports the
month in a process of its own, and one connection copies the same rows into the same
table: what PostgreSQL alone takes. Both begin with empty tables; the start of the
interpreter is not counted. ``--files`` keeps the files for the next time (making them
takes 40 s).
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.command_line import parser_of, run_benchmark
from benchmarks.import_day import OTHER_SERIES, ROOT, now_us, scratch_database
from importer.bi5 import ROW
from importer.hours import HOUR_MS
from services.command_line import Parser

MONTH = "2019-01"
DAYS = 31
TICKS_PER_HOUR = 3_495  # 2.6 million in 744 hours
HISTORY_YEARS = 20
# Its peak is asked for at the end: what the system says of children counts the memory
# that a child shares with its parent before it is a program of its own.
RUN = """
import atexit
import sys
from django.core.management import execute_from_command_line

def print_peak():
    print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))

atexit.register(print_peak)
sys.path.insert(0, ".")
execute_from_command_line(["manage.py", "import_ticks", *sys.argv[1:]])
"""
TABLES = ("ticks", "candles_1m", "candles_5m", "candles_15m",
          "candles_1h", "candles_4h", "candles_12h")  # fmt: skip


def make_files(folder: Path) -> None:
    """Write the month's files in the archive's layout, unless they are there."""
    if len(list(folder.glob("EURUSD/2019/00/*/*.bi5"))) == DAYS * 24:
        return
    hours = [(folder, day, hour) for day in range(1, DAYS + 1) for hour in range(24)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(make_file, hours, chunksize=24))


def make_file(place: tuple[Path, int, int]) -> None:
    """Write one hour: a random walk of bids, spreads of 1 to 4 points."""
    from tests.importer.bi5_files import compress

    folder, day, hour = place
    random = np.random.default_rng(day * 100 + hour)
    rows = np.empty(TICKS_PER_HOUR, ROW)
    rows["ms"] = np.sort(random.choice(HOUR_MS, TICKS_PER_HOUR, replace=False))
    rows["bid"] = 114_500 + random.integers(-2, 3, TICKS_PER_HOUR).cumsum()
    rows["ask"] = rows["bid"] + random.integers(1, 5, TICKS_PER_HOUR)
    for name in ("bid_size", "ask_size"):
        rows[name] = random.integers(75, 900, TICKS_PER_HOUR) / 100
    path = folder / f"EURUSD/2019/00/{day:02}/{hour:02}h_ticks.bi5"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(compress(rows.tobytes()))


def measure(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """Return the medians of as many imports as bare COPYs, by turns."""
    # Only now: they need the settings.
    from django.core.management import call_command
    from django.db import connection, transaction

    from history.tick_store import copy_ticks

    call_command("migrate", verbosity=0, skip_checks=True)
    call_command("load_instruments", stdout=io.StringIO())
    make_history_chunks(connection)
    rows = decode_month(folder)
    arguments = [
        *("--from", f"{MONTH}-01", "--to", f"{MONTH}-{DAYS}", "--json"),
        f"--source=bi5-dir:{folder}",
        *([f"--workers={options.workers}"] if options.workers else []),
    ]

    peaks_kb: list[int] = []

    def timed_import() -> float:
        clear(connection)
        done = subprocess.run(
            [sys.executable, "-c", RUN, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        summary, peak, _ = done.stdout.splitlines()
        report = json.loads(summary)
        peaks_kb.append(int(peak.split()[1]))
        assert report["ticks"] == len(rows), report
        return report["elapsed_s"]

    def timed_copy() -> float:
        clear(connection)
        started_s = time.perf_counter()
        with transaction.atomic():
            copy_ticks(connection.connection, rows)
        return time.perf_counter() - started_s

    timed_import(), timed_copy()  # makes the chunks and fills the caches
    pairs = [(timed_import(), timed_copy()) for _ in range(options.runs)]
    import_s = statistics.median(pair[0] for pair in pairs)
    copy_s = statistics.median(pair[1] for pair in pairs)
    return {
        "ticks": len(rows),
        "runs": options.runs,
        "import_s": round(import_s, 3),
        "ticks_per_s": round(len(rows) / import_s),
        "bare_copy_s": round(copy_s, 3),
        "ratio": round(import_s / copy_s, 2),
        "limit": 1.8,
        "peak_memory_mb": max(peaks_kb) >> 10,
        "memory_limit_mb": 400,
        "all_import_s": [round(pair[0], 3) for pair in pairs],
        "all_bare_copy_s": [round(pair[1], 3) for pair in pairs],
    }


def make_history_chunks(connection) -> None:
    """Give ticks and candles the chunks of 20 years, without rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ticks (series_id, time, seq, bid, ask)
            SELECT 0, time, 0, 1, 1
            FROM generate_series(
                %(first)s::timestamptz,
                %(first)s::timestamptz + %(years)s * interval '1 year', '1 day'
            ) AS time
            """,
            {"first": "2000-01-01T00:00Z", "years": HISTORY_YEARS},
        )
        for table in TABLES[1:]:
            cursor.execute(
                f"""
                INSERT INTO {table}
                SELECT 0, 0, time, 1, 1, 1, 1, 1, 1, 0 FROM ticks WHERE series_id = 0
                """
            )
        for table in TABLES:
            cursor.execute(f"DELETE FROM {table}")
            cursor.execute(f"VACUUM ANALYZE {table}")


def clear(connection) -> None:
    """Empty all tables; a chunk that had rows is as new."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT format('%I.%I', chunk_schema, chunk_name)
            FROM timescaledb_information.chunks
            WHERE pg_table_size(format('%I.%I', chunk_schema, chunk_name)) > 100000
            """
        )
        for (chunk,) in cursor.fetchall():
            cursor.execute(f"TRUNCATE {chunk}")
        for table in (*TABLES, "import_hours", "changed_ranges"):
            cursor.execute(f"DELETE FROM {table}")
        for table in (*TABLES[4:], "import_hours", "changed_ranges"):
            cursor.execute(f"VACUUM ANALYZE {table}")
        cursor.execute("UPDATE history_series SET latest = NULL, tick_count = 0")
        cursor.execute("CHECKPOINT")


def decode_month(folder: Path):
    """Return the month's rows as columns of another series."""
    from history.columns import join_imported
    from importer.hour_reader import HourReader
    from importer.hours import parse_range
    from importer.instruments import select_instruments
    from importer.sources.registry import open_source

    source = open_source(f"bi5-dir:{folder}")
    (instrument,) = select_instruments(["EURUSD"])
    hours = parse_range(f"{MONTH}-01", f"{MONTH}-{DAYS}", now_us=now_us())
    reader = HourReader(source, instrument, series_id=OTHER_SERIES)
    columns = [reader.read(hour_us).columns for hour_us in hours.hours()]
    return join_imported(columns)


def main() -> None:
    options = parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="import-month-") as scratch:
        folder = options.files or Path(scratch)
        make_files(folder)
        with scratch_database():
            os.environ.setdefault("LOG_LEVEL", "WARNING")
            figures = measure(folder, options)
    if options.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name}: {value}" for name, value in figures.items()))


def parser() -> Parser:
    """Return the parser of the command line."""
    result = parser_of(
        "import_month", __doc__, "", "--runs 1 --workers 2 --files var/month --json"
    )
    result.add_argument("--runs", type=int, default=3)
    result.add_argument("--workers", type=int)
    result.add_argument("--files", type=Path)
    result.add_argument("--json", action="store_true")
    return result


if __name__ == "__main__":
    run_benchmark(main, "import_month")
