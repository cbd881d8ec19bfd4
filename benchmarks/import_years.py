"""How much memory an import of decades takes: no more than one of a month, it should.

    python -m benchmarks.import_years [--years 20]

A folder has an hourly file for each hour of those years, empty but for every seventh,
which is damaged: what grows with the range is not the ticks (`import_month` has those)
but what is known of hours and holes. `manage.py import_ticks` runs in a process of its
own; its peak is what Linux says of it at its end (VmHWM).
"""

import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.command_line import parser_of, run_benchmark
from benchmarks.import_day import ROOT, now_us, scratch_database
from benchmarks.import_month import RUN
from history.timestamps import to_datetime
from importer.hours import HourRange, day_text, parse_range
from marketdata.durations import HOUR_US
from services.command_line import Parser

FIRST_YEAR = 2000
LIMIT_MB = 400
EXIT_HOLES = 2
DAMAGED_EACH = 7


def make_files(folder: Path, hours: HourRange) -> None:
    """Write the files in the archive's layout, its months from zero."""
    for day in hours.days():
        date = to_datetime(day.start_us)
        place = folder / f"EURUSD/{date.year}/{date.month - 1:02}/{date.day:02}"
        place.mkdir(parents=True)
        for hour, hour_us in enumerate(day.hours()):
            data = b"damaged" if hour_us // HOUR_US % DAMAGED_EACH == 0 else b""
            (place / f"{hour:02}h_ticks.bi5").write_bytes(data)


def measure(folder: Path, hours: HourRange) -> dict[str, object]:
    """Import the hours and return the figures."""
    # Only now: it needs the settings.
    from django.core.management import call_command

    call_command("migrate", verbosity=0, skip_checks=True)
    call_command("load_instruments", stdout=io.StringIO())
    first, last = day_text(hours.start_us), day_text(hours.end_us - 1)
    arguments = ["--from", first, "--to", last, "--json", f"--source=bi5-dir:{folder}"]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == EXIT_HOLES, done.stderr
    summary, peak, _ = done.stdout.splitlines()
    report = json.loads(summary)
    return {
        "hours": len(hours),
        "hole_hours": report["hole_hours"],
        "elapsed_s": report["elapsed_s"],
        "peak_memory_mb": int(peak.split()[1]) >> 10,
        "memory_limit_mb": LIMIT_MB,
    }


def main() -> None:
    years = parser().parse_args().years
    hours = parse_range(
        f"{FIRST_YEAR}-01-01", f"{FIRST_YEAR + years - 1}-12-31", now_us=now_us()
    )
    with tempfile.TemporaryDirectory(prefix="import-years-") as scratch:
        make_files(Path(scratch), hours)
        with scratch_database():
            os.environ.setdefault("LOG_LEVEL", "WARNING")
            figures = measure(Path(scratch), hours)
    print("\n".join(f"{name}: {value}" for name, value in figures.items()))


def parser() -> Parser:
    """Return the parser of the command line."""
    result = parser_of("import_years", __doc__, "", "--years 2")
    result.add_argument("--years", type=int, default=20)
    return result


if __name__ == "__main__":
    run_benchmark(main, "import_years")
