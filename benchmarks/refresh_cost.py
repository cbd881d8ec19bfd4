"""What a refresh costs after one more day of a busy pair: with 1 day stored, with 30.

    python -m benchmarks.refresh_cost [--runs 5]

A refresh computes what changed and nothing else, so both must cost the same: fails if
they differ by more than half, or if with a year stored one more day costs over 5 % of
building all candles anew. Also prints the speed of COPY, and the refresh of 200 series
of which one minute each has ended. Works in a scratch database of its own.
"""

import os
import statistics
import time

import django
import msgspec
import numpy as np

from benchmarks.command_line import parser_of, run_benchmark
from services.command_line import Parser

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("SECRET_KEY", "benchmark")
os.environ.setdefault("LOG_LEVEL", "warning")
django.setup()

from django.db import connection, transaction  # noqa: E402

from history.candle_refresh import RefreshReport, refresh_candles  # noqa: E402
from history.changed_ranges import note_changed_ranges  # noqa: E402
from history.columns import TickColumns  # noqa: E402
from history.series import get_or_create_series  # noqa: E402
from history.tick_store import copy_ticks  # noqa: E402
from marketdata.models import Broker, Instrument  # noqa: E402

DAY_TICKS = 136_741  # EURUSD on 2019-02-04
MINUTE_US = 60_000_000
DAY_US = 1_440 * MINUTE_US
T0_US = 17_910 * DAY_US  # 2019-01-14, the first day of a chunk
DAYS = 30
MAX_RATIO = 1.5
YEAR_DAYS = 365
YEAR_DAY_TICKS = 10_000  # a quiet pair's; 3.65 million in the year
MAX_SHARE = 0.05  # of a full rebuild, which issue 2 of 5 allows
LATER_US = 2 * T0_US


def make_series(symbol: str) -> int:
    """Return the id of a new series."""
    Instrument.objects.create(
        symbol=symbol, base=symbol[:3], quote="USD", type="forex", decimals=5
    )
    return get_or_create_series(symbol, "dukascopy").pk


def ticks(series_id: int, start_us: int, end_us: int, count: int) -> TickColumns:
    """Return ticks of a random walk at even distances, with sizes."""
    random = np.random.default_rng(start_us // MINUTE_US)
    bid = np.round(1.1 + np.cumsum(random.normal(0, 1e-5, count)), 5)
    sizes = np.float32(random.random(count) * 3).astype(np.float64)
    return TickColumns(
        series_id=np.full(count, series_id, np.int32),
        time_us=np.linspace(start_us, end_us, count, endpoint=False).astype(np.int64),
        seq=np.zeros(count, np.int64),
        bid=bid,
        ask=np.round(bid + 5e-5, 5),
        bid_size=sizes,
        ask_size=sizes[::-1],
    )


def days(
    series_id: int, first: int, last: int, day_ticks: int = DAY_TICKS
) -> TickColumns:
    """Return full days of ticks, ``last`` excluded."""
    return ticks(
        series_id,
        T0_US + first * DAY_US,
        T0_US + last * DAY_US,
        (last - first) * day_ticks,
    )


def store(columns: TickColumns, notes: list[tuple[int, int, int, int]]) -> float:
    """Store ticks with their notes; return the seconds that COPY took."""
    with transaction.atomic(), connection.cursor() as cursor:
        started_s = time.perf_counter()
        copy_ticks(connection.connection, columns)
        copied_s = time.perf_counter() - started_s
        note_changed_ranges(cursor, notes)
    return copied_s


def store_days(series_id: int, first: int, last: int) -> float:
    """Store days and note them; return the seconds that COPY took."""
    note = (series_id, T0_US + first * DAY_US, T0_US + last * DAY_US, 0)
    return store(days(series_id, first, last), [note])


def store_quiet_days(series_id: int, first: int, last: int) -> None:
    """Store days of a quiet pair and note them."""
    note = (series_id, T0_US + first * DAY_US, T0_US + last * DAY_US, 0)
    store(days(series_id, first, last, YEAR_DAY_TICKS), [note])


def timed_refresh() -> tuple[float, RefreshReport]:
    """Refresh what is noted; return milliseconds and the report."""
    started_s = time.perf_counter()
    report = refresh_candles(now_us=LATER_US)
    return 1000 * (time.perf_counter() - started_s), report


def one_more_day(series_id: int, stored_days: int) -> float:
    """Store the next day; return milliseconds of its refresh."""
    store_days(series_id, stored_days, stored_days + 1)
    took_ms, report = timed_refresh()
    assert report.ranges == 1
    return took_ms


def compare_days(runs: int) -> float:
    """Print the refresh of one more day with 1 and 30 stored; return the ratio."""
    short_ids = [make_series(f"SHORT{number}") for number in range(runs)]
    long_id = make_series("LONG")
    day_s = [store_days(series_id, 0, 1) for series_id in short_ids]
    month_s = store_days(long_id, 0, DAYS)
    timed_refresh()
    with_1, with_30 = [], []
    for run, series_id in enumerate(short_ids):
        with_1.append(one_more_day(series_id, 1))
        with_30.append(one_more_day(long_id, DAYS + run))
    # The best of the runs: whatever else the machine does only adds to a run.
    ms_1, ms_30 = min(with_1), min(with_30)
    for rows, took_s in (
        (DAY_TICKS, statistics.median(day_s)),
        (DAYS * DAY_TICKS, month_s),
    ):
        print(f"COPY of {rows:>9,} ticks    {rows / took_s:9,.0f} rows/s")
    print(f"one more day, 1 stored    {ms_1:9.1f} ms")
    print(f"one more day, 30 stored   {ms_30:9.1f} ms")
    print(f"ratio                     {ms_30 / ms_1:9.2f}")
    return ms_30 / ms_1


def compare_year(runs: int) -> float:
    """Print the refresh of one more day of a year, and of all of it; return the share.

    Building anew finds every candle as it is and writes none, so it is the cheaper of
    the two ways to refresh everything.
    """
    series_id = make_series("YEAR")
    for first in range(0, YEAR_DAYS, 73):
        store_quiet_days(series_id, first, first + 73)
    first_ms, _ = timed_refresh()
    day_ms = []
    for day in range(YEAR_DAYS, YEAR_DAYS + runs):
        store_quiet_days(series_id, day, day + 1)
        day_ms.append(timed_refresh()[0])
    span = (T0_US, T0_US + YEAR_DAYS * DAY_US)
    with transaction.atomic(), connection.cursor() as cursor:
        note_changed_ranges(cursor, [(series_id, *span, 0)])
    again_ms, report = timed_refresh()
    assert (report.candles_written, report.revised) == (0, 0)
    share = statistics.median(day_ms) / again_ms
    print(f"a year, first time        {first_ms:9.1f} ms")
    print(f"a year anew               {again_ms:9.1f} ms")
    print(f"one more day, a year      {statistics.median(day_ms):9.1f} ms")
    print(f"share of a year anew      {100 * share:9.2f} %  limit {100 * MAX_SHARE} %")
    return share


def refresh_minutes(runs: int) -> None:
    """Print the refresh of a minute that ended in each of 200 series."""
    ids = [make_series(f"M{number:03d}") for number in range(200)]
    took_ms = []
    for run in range(runs):
        start_us = T0_US + 60 * DAY_US + run * MINUTE_US
        parts = [ticks(item, start_us, start_us + MINUTE_US, 60) for item in ids]
        arrays = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in msgspec.structs.asdict(parts[0])
            if name != "received_us"
        }
        notes = [(item, start_us, start_us + MINUTE_US, 0) for item in ids]
        store(TickColumns(**arrays), notes)
        took_ms.append(timed_refresh()[0])
    print(f"200 series x 1 minute     {statistics.median(took_ms):9.1f} ms")


def main() -> int:
    runs = parser().parse_args().runs
    name = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = f"bench_refresh_{os.getpid()}"
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        Broker.objects.create(name="dukascopy", title="Dukascopy")
        ratio = compare_days(runs)
        share = compare_year(runs)
        refresh_minutes(runs)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)
    return int(ratio > MAX_RATIO or share > MAX_SHARE)


def parser() -> Parser:
    """Return the parser of the command line."""
    result = parser_of("refresh_cost", __doc__, "", "--runs 2")
    result.add_argument("--runs", type=int, default=5)
    return result


if __name__ == "__main__":
    run_benchmark(main, "refresh_cost")
