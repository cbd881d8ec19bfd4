"""Ranges of hours, as the archive cuts its files: parsing, splitting, texts. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from history.timestamps import to_datetime, to_us
from importer.exceptions import InvalidRange
from marketdata.durations import DAY_US, HOUR_US

HOUR_MS = HOUR_US // 1_000

# The provider completes an hour some time after its end; nobody says when.
COMPLETE_AFTER_US = 24 * HOUR_US


@dataclass(frozen=True, slots=True)
class HourRange:
    """The hours that start in [``start_us``, ``end_us``), both on the hour."""

    start_us: int
    end_us: int

    def __len__(self) -> int:
        return (self.end_us - self.start_us) // HOUR_US

    def hours(self) -> range:
        """Return the start of each hour, oldest first."""
        return range(self.start_us, self.end_us, HOUR_US)

    def days(self) -> "Iterator[HourRange]":
        """Yield the range's part of each UTC day, oldest first."""
        return self.chunks(1)

    def chunks(self, days: int) -> "Iterator[HourRange]":
        """Yield the range cut every ``days`` UTC days from its first, oldest first."""
        start_us = self.start_us
        while start_us < self.end_us:
            end_us = start_us - start_us % DAY_US + days * DAY_US
            yield HourRange(start_us, min(end_us, self.end_us))
            start_us = end_us

    def widened(self, days: int) -> "HourRange":
        """Return the range with so many days more before and after it."""
        return HourRange(self.start_us - days * DAY_US, self.end_us + days * DAY_US)

    def whole_days(self) -> "HourRange":
        """Return the UTC days that the range touches."""
        return HourRange(
            self.start_us - self.start_us % DAY_US, self.end_us + -self.end_us % DAY_US
        )


def parse_range(first: str, last: str, *, now_us: int) -> HourRange:
    """Return the hours from ``first`` to ``last``, both inclusive, up to ``now_us``.

    Each is a UTC day (`2019-02-04`) or an hour of one (`2019-02-04T13`). The hour that
    is still running, and those after it, are left out: no archive has them whole.

    Raises:
        InvalidRange: not such a text, ``first`` after ``last``, or nothing is past.
    """
    start_us, _ = _parse_bounds(first)
    _, end_us = _parse_bounds(last)
    if end_us <= start_us:
        raise InvalidRange(f"a last day from {first} on", last)
    past_us = now_us - now_us % HOUR_US
    if start_us >= past_us:
        raise InvalidRange(f"hours that ended by {hour_text(past_us)} UTC", first)
    return HourRange(start_us, min(end_us, past_us))


def last_days(days: int, *, now_us: int) -> HourRange:
    """Return the whole hours of the ``days`` times 24 hours up to ``now_us``.

    Raises:
        InvalidRange: less than one day, or a start before 1970.
    """
    end_us = now_us - now_us % HOUR_US
    if not 1 <= days <= end_us // DAY_US:
        raise InvalidRange(f"1 to {end_us // DAY_US} days", str(days))
    return HourRange(end_us - days * DAY_US, end_us)


def is_complete(hour_us: int, *, seen_us: int) -> bool:
    """Return whether the provider had the hour whole when it was seen."""
    return seen_us >= hour_us + HOUR_US + COMPLETE_AFTER_US


def hour_text(hour_us: int) -> str:
    """Return an hour as people and messages name it: `2019-02-04 13h`."""
    return f"{to_datetime(hour_us):%Y-%m-%d %H}h"


def hour_argument(hour_us: int) -> str:
    """Return an hour as `parse_range` takes it: `2019-02-04T13`."""
    return f"{to_datetime(hour_us):%Y-%m-%dT%H}"


def day_text(time_us: int) -> str:
    """Return the UTC day of a time: `2019-02-04`."""
    return f"{to_datetime(time_us):%Y-%m-%d}"


def _parse_bounds(text: str) -> tuple[int, int]:
    day_part, separator, hour_part = text.strip().partition("T")
    try:
        day = date.fromisoformat(day_part)
        hour = int(hour_part) if separator else 0
        start = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    except ValueError as exc:
        raise InvalidRange("a day as YYYY-MM-DD", repr(text)) from exc
    start_us = to_us(start)
    if start_us < 0:
        raise InvalidRange("a day from 1970 on", repr(text))
    return start_us, start_us + (HOUR_US if separator else DAY_US)
