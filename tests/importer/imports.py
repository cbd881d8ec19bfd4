"""Importing in tests, and looking at what came of it."""

import subprocess
import time
from pathlib import Path

import numpy as np
from django.db import connection

from history.columns import TickColumns
from history.models import Series
from history.timestamps import to_us
from importer.hours import HourRange, day_text, hour_text, parse_range
from importer.import_ticks import ImportOrder, import_ticks
from importer.instruments import select_instruments
from importer.models import ImportHour
from importer.outcomes import ImportReport
from importer.sources.registry import open_source
from tests.importer.bi5_files import DAY


class Seen:
    """Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int]] = []
        self.waited: list[str] = []
        self.days: list[tuple[str, int]] = []
        self.chunks: list[tuple[str, int]] = []

    def begin(self, symbol: str, hours: int) -> None:
        self.begun.append((symbol, hours))

    def wait(self, symbol: str) -> None:
        self.waited.append(symbol)

    def complete(self, symbol: str, chunk: HourRange) -> None:
        self.chunks.append((day_text(chunk.start_us), len(chunk) // 24))

    def advance(self, symbol: str, day: HourRange, part: ImportReport) -> None:
        self.days.append((symbol, part.ticks))


class Command(subprocess.Popen):
    """A started `manage.py import_ticks`."""

    def result(self) -> tuple[int, str, str]:
        """Wait for its end; return exit code, standard output and error."""
        out, err = self.communicate(timeout=60)
        return self.returncode, out, err


def now_us() -> int:
    return time.time_ns() // 1_000


def order_of(
    folder: Path, first: str = DAY, last: str = DAY, *, symbols=("EURUSD",), **options
) -> ImportOrder:
    return ImportOrder(
        select_instruments(symbols),
        parse_range(first, last, now_us=now_us()),
        open_source(f"bi5-dir:{folder}"),
        **options,
    )


def run(
    folder: Path, first: str = DAY, last: str = DAY, *, progress=None, **options
) -> ImportReport:
    order = order_of(folder, first, last, **options)
    return import_ticks(order, progress or Seen(), now_us=now_us)


def series_of(symbol: str = "EURUSD") -> Series:
    return Series.objects.get(instrument__symbol=symbol, broker="dukascopy")


def stored_ticks(series_id: int) -> TickColumns:
    """Return all ticks of a series in the order of their key."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT time, seq, bid, ask, bid_size, ask_size
            FROM ticks
            WHERE series_id = %s
            ORDER BY time, seq
            """,
            (series_id,),
        )
        rows = cursor.fetchall()
    times, seqs, *values = zip(*rows, strict=True) if rows else ((),) * 6
    return TickColumns(
        np.full(len(rows), series_id, np.int32),
        np.array([to_us(time) for time in times], np.int64),
        np.array(seqs, np.int64),
        *(np.array(column, np.float64) for column in values),
    )


def ledger() -> dict[str, tuple[str, int]]:
    """Return state and rows of each known hour."""
    return {
        hour_text(to_us(row.hour)): (row.state, row.rows)
        for row in ImportHour.objects.order_by("hour")
    }
