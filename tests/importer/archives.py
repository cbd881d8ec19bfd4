"""Small archives for tests, and hands that change tables behind the importer's back."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from django.db import connection

from history.timestamps import to_datetime
from importer.hours import HourRange, parse_range
from tests.importer.bi5_files import HOUR_US, encode
from tests.importer.imports import now_us, series_of


def write_hour(
    folder: Path, hour_us: int, count: int, *, seed: int = 0, symbol: str = "EURUSD"
) -> None:
    """Write the file of an hour with so many ticks, other ones for another seed."""
    random = np.random.default_rng([hour_us // HOUR_US, seed])
    times = np.sort(random.integers(0, 3_600_000, count))
    bids = random.integers(110_000, 120_000, count)
    rows = [
        (int(ms), int(bid) + 2, int(bid), 1.5, 2.5)
        for ms, bid in zip(times, bids, strict=True)
    ]
    name = f"{symbol}_{to_datetime(hour_us):%Y-%m-%d_%H}h_ticks.bi5"
    (folder / name).write_bytes(encode(rows) if rows else b"")


def write_hours(folder: Path, counts: Mapping[int, int]) -> None:
    """Write the files of hours that have so many ticks."""
    for hour_us, count in counts.items():
        write_hour(folder, hour_us, count)


def hours_of(first: str, last: str) -> HourRange:
    return parse_range(first, last, now_us=now_us())


def delete_rows(hour_us: int, *, keep: int = 0) -> int:
    """Delete ticks of EURUSD's hour without telling anybody; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM ticks
            WHERE series_id = %(id)s AND time >= %(start)s AND time < %(end)s
              AND (time, seq) NOT IN (
                  SELECT time, seq FROM ticks
                  WHERE series_id = %(id)s AND time >= %(start)s AND time < %(end)s
                  ORDER BY time, seq LIMIT %(keep)s
              )
            """,
            {
                "id": series_of().pk,
                "start": to_datetime(hour_us),
                "end": to_datetime(hour_us + HOUR_US),
                "keep": keep,
            },
        )
        return cursor.rowcount


def change_bids(hour_us: int) -> None:
    """Change prices of EURUSD's hour without telling anybody."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE ticks
            SET bid = bid - 0.001
            WHERE series_id = %s AND time >= %s AND time < %s
            """,
            (series_of().pk, to_datetime(hour_us), to_datetime(hour_us + HOUR_US)),
        )
