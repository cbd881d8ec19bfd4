"""Days and weeks that begin at a time of day in a time zone.

`America/New_York@17:00` is the usual one of foreign exchange: a day begins at 17:00 in
New York, 21:00 UTC in summer and 22:00 in winter. A day belongs to the date in which
most of it lies, and a week begins with Monday's day: on Sunday at 17:00. A bucket is
labelled by the moment at which it begins, as all others are.

Starts are kept as runs of equal distance, one or two between changes of the clocks: 50
years of days are some 150 runs. A run's last bucket lasts until the next run's first
start, so it may be an hour longer or shorter than the others.
"""

import re
import zoneinfo
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache, lru_cache

import msgspec

from history.exceptions import InvalidAlign
from history.timestamps import to_datetime, to_us
from marketdata.timeframes import STORED, Timeframe

ALIGNED = (Timeframe.D1, Timeframe.W1)
QUARTER_MINUTES = 15  # the smallest timeframe that aligned candles are made of

_TEXT = re.compile(r"([A-Za-z0-9_+/-]{1,40})@([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_NOON_MINUTE = 720


class Align(msgspec.Struct, frozen=True):
    """When days begin: ``minute`` of the local day in the IANA zone ``zone``."""

    zone: str
    minute: int

    def __str__(self) -> str:
        hour, minute = divmod(self.minute, 60)
        return f"{self.zone}@{hour:02d}:{minute:02d}"


class Run(msgspec.Struct, frozen=True, gc=False):
    """Buckets that start at ``first_us``, then every ``step_us``, until ``last_us``."""

    first_us: int
    last_us: int
    step_us: int

    def floor_us(self, time_us: int) -> int:
        """Return the start of the bucket that holds a moment from ``first_us`` on."""
        start_us = time_us - (time_us - self.first_us) % self.step_us
        return min(start_us, self.last_us)


def parse_align(text: str) -> Align:
    """Return the alignment that a text like ``America/New_York@17:00`` names.

    Raises:
        InvalidAlign: another form, an unknown zone, or not on a quarter of an hour.
    """
    match = _TEXT.fullmatch(text)
    if not match or match[1] not in _zones():
        raise InvalidAlign(text)
    minute = int(match[2]) * 60 + int(match[3])
    if minute % QUARTER_MINUTES:
        raise InvalidAlign(text)
    return Align(match[1], minute)


def runs_over(
    align: Align, timeframe: Timeframe, first_us: int, last_us: int
) -> list[Run]:
    """Return the runs from the bucket that holds ``first_us``, in order.

    The last one begins after ``last_us``: its start ends the bucket before it.

    Args:
        timeframe: 1d or 1w.
    """
    years = range(to_datetime(first_us).year - 1, to_datetime(last_us).year + 2)
    runs = _joined(run for year in years for run in _runs(align, timeframe, year))
    firsts = [run.first_us for run in runs]
    lo, hi = bisect_right(firsts, first_us) - 1, bisect_right(firsts, last_us)
    if hi < len(runs):
        return runs[lo : hi + 1]
    # The last run holds them all: what follows it is a run of its own.
    last = runs[-1]
    start_us = last.floor_us(last_us) + last.step_us
    head = Run(last.first_us, start_us - last.step_us, last.step_us)
    return [*runs[lo:-1], head, Run(start_us, start_us, last.step_us)]


def source_timeframe(
    align: Align, timeframe: Timeframe, runs: Iterable[Run]
) -> Timeframe:
    """Return the largest stored timeframe of which no bucket straddles a start.

    Years around the runs count too, so both of a year's changes of the clocks do.
    """
    years = {to_datetime(run.first_us).year for run in runs}
    around = range(min(years) - 1, max(years) + 2)
    starts = [run.first_us for year in around for run in _runs(align, timeframe, year)]
    for stored in reversed(STORED):
        length_us = stored.length_s * 1_000_000
        if all(start_us % length_us == 0 for start_us in starts):
            return stored
    return Timeframe.M1  # local mean times of long ago, with seconds


@lru_cache(maxsize=8192)
def _runs(align: Align, timeframe: Timeframe, year: int) -> tuple[Run, ...]:
    """Return the runs of the buckets whose local start lies in the year."""
    zone = zoneinfo.ZoneInfo(align.zone)
    start = datetime(year, 1, 1, *divmod(align.minute, 60), tzinfo=zone)
    step = timedelta(days=1)
    if timeframe is Timeframe.W1:
        is_evening = align.minute > _NOON_MINUTE
        weekday = 6 if is_evening else 0
        start += timedelta(days=(weekday - start.weekday()) % 7)
        step = timedelta(days=7)
    starts = set()
    while start.year == year:
        # A time that the clocks skip is taken by the offset before the change.
        starts.add(to_us(start))
        start += step  # on the clock of the zone
    return tuple(_runs_of(sorted(starts), timeframe.length_s * 1_000_000))


def _runs_of(starts: list[int], step_us: int) -> Iterator[Run]:
    first_us = last_us = starts[0]
    for start_us in starts[1:]:
        if start_us != last_us + step_us:
            yield Run(first_us, last_us, step_us)
            first_us = start_us
        last_us = start_us
    yield Run(first_us, last_us, step_us)


def _joined(runs: Iterable[Run]) -> list[Run]:
    """Return the runs with those that follow each other at their distance joined."""
    joined: list[Run] = []
    for run in runs:
        last = joined[-1] if joined else None
        if last and last.last_us + last.step_us == run.first_us:
            joined[-1] = Run(last.first_us, run.last_us, run.step_us)
        else:
            joined.append(run)
    return joined


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
