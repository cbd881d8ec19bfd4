"""Times as CSV files write them, into microseconds since the epoch. Pure.

    04.02.2019 00:00:00.994            Dukascopy's export; `... GMT+0200` for local time
    2019-02-04 00:00:00.994            ISO 8601 with `T`, `Z`, offset; psql's `+00`
    2019.02.04 00:00:00.994            MetaTrader
    20190204 000000994                 HistData
    1549238400994                      epoch in s, ms, us or ns, told by its length

Without an offset a time is UTC. American dates (02/04/2019) are refused: they cannot be
told from others.
"""

import re
from datetime import date
from functools import lru_cache

from marketdata.durations import DAY_US

_YEAR_FIRST = r"(?P<year>\d{4})(?P<mark>[-./]?)(?P<month>\d\d)(?P=mark)(?P<day>\d\d)"
_DAY_FIRST = r"(?P<day>\d\d)\.(?P<month>\d\d)\.(?P<year>\d{4})"
_CLOCK = (
    r"[T ](?P<hour>\d\d):(?P<min>\d\d)(?::(?P<sec>\d\d)(?:[.,](?P<part>\d{1,9}))?)?"
)
_PACKED = r"[T ](?P<hour>\d\d)(?P<min>\d\d)(?P<sec>\d\d)(?P<part>\d{3})?"
_OFFSET = r"(?:GMT)?(?P<sign>[+-])(?P<zh>\d\d)(?::?(?P<zm>\d\d))?"
_ZONE = rf" ?(?:Z|UTC|{_OFFSET}|GMT)?"
_FORMATS = [
    re.compile(day + clock + _ZONE)
    for day, clock in (
        (_DAY_FIRST, _CLOCK),
        (_YEAR_FIRST, _CLOCK),
        (_YEAR_FIRST, _PACKED),
    )
]
_EPOCH = re.compile(r"(?P<whole>\d{9,19})(?:\.(?P<part>\d{1,9}))?")
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def parse_time_us(text: str) -> int:
    """Return the time that a field states; what is below a microsecond is cut off.

    Raises:
        ValueError: none of the formats, or no such day or hour.
    """
    for pattern in _FORMATS:
        if match := pattern.fullmatch(text):
            return _moment_us(match)
    if match := _EPOCH.fullmatch(text):
        return _epoch_us(match["whole"], match["part"] or "")
    raise ValueError(f"expected a time as 04.02.2019 00:00:00.994, found {text!r:.40}")


def has_offset(text: str) -> bool:
    """Return whether a time states its distance from UTC, as `GMT+0200` does."""
    matches = (pattern.fullmatch(text) for pattern in _FORMATS)
    return any(match and match["sign"] for match in matches)


def _moment_us(match: re.Match[str]) -> int:
    day_us = _day_us(match["year"], match["month"], match["day"])
    hour, minute, second = int(match["hour"]), int(match["min"]), int(match["sec"] or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"expected a time of day, found {match[0]!r:.40}")
    seconds = hour * 3600 + minute * 60 + second
    if match["sign"]:
        offset = int(match["zh"]) * 3600 + int(match["zm"] or 0) * 60
        seconds -= offset if match["sign"] == "+" else -offset
    return day_us + seconds * 1_000_000 + _microseconds(match["part"])


def _epoch_us(whole: str, part: str) -> int:
    number = int(whole)
    if len(whole) <= 11:
        return number * 1_000_000 + _microseconds(part)
    if len(whole) <= 14:
        return number * 1_000 + _microseconds(part) // 1_000
    return number if len(whole) <= 17 else number // 1_000


def _microseconds(part: str | None) -> int:
    return int(part[:6].ljust(6, "0")) if part else 0


@lru_cache(maxsize=64)
def _day_us(year: str, month: str, day: str) -> int:
    ordinal = date(int(year), int(month), int(day)).toordinal()
    return (ordinal - _EPOCH_ORDINAL) * DAY_US
