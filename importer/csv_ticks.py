"""Ticks in CSV text: lines in, arrays out. Pure.

By default the shapes that Dukascopy's export and its usual downloaders write:

    Time (UTC),Ask,Bid,AskVolume,BidVolume
    04.02.2019 00:00:00.994,1.14545,1.14543,1,2.06

Fields are separated by comma, semicolon or tab, and need no quotes. Columns are found
by their names in the first line, or by their numbers, from 1, where it has no names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from importer.csv_times import parse_time_us
from importer.exceptions import DamagedFile, InvalidSource
from importer.hour_ticks import HourTicks
from marketdata.durations import HOUR_US

COLUMNS = ("time", "bid", "ask", "bid_size", "ask_size")
_OPTIONAL = ("bid_size", "ask_size")
# Names in use, without case, blanks and marks: Dukascopy's web export and JForex,
# dukascopy-node, duka.
_NAMES: Mapping[str, Sequence[str]] = {
    "time": ("timeutc", "utc", "gmttime", "time", "timestamp", "datetime"),
    "bid": ("bid", "bidprice"),
    "ask": ("ask", "askprice"),
    "bid_size": ("bidvolume", "bidsize", "bidvol"),
    "ask_size": ("askvolume", "asksize", "askvol"),
}
_DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True)
class CsvLayout:
    """Where a file keeps what: the delimiter, and each column's position from 0."""

    delimiter: str
    positions: Mapping[str, int]
    has_header: bool

    def field(self, line: str, column: str) -> str:
        """Return a field of a line without quotes.

        Raises:
            IndexError: the line ends before it.
        """
        fields = line.split(self.delimiter, self.positions[column] + 1)
        return fields[self.positions[column]].strip(' "')


def find_layout(first_line: str, columns: Mapping[str, str], *, name: str) -> CsvLayout:
    """Return the layout that a file's first line shows.

    ``columns`` names the file's columns for those of `COLUMNS` that have other names
    than the usual; numbers, counted from 1, say that the file has no line of names.

    Raises:
        InvalidSource: time, bid or ask is not among the names, or neither named.
    """
    delimiter = max(_DELIMITERS, key=first_line.count)
    if columns and all(text.isdecimal() for text in columns.values()):
        positions = {column: int(text) - 1 for column, text in columns.items()}
        has_header, found = False, "other columns"
    else:
        names = [text.strip(' "') for text in first_line.split(delimiter)]
        positions = dict(_positions(names, columns))
        has_header, found = True, f"{first_line!r:.120}"
    needed = [item for item in COLUMNS if item in columns or item not in _OPTIONAL]
    missing = [item for item in needed if item not in positions]
    if missing or min(positions.values()) < 0:
        wanted = ", ".join(columns.get(item, item) for item in missing)
        raise InvalidSource(f"columns {wanted or 'from 1'} in {name}", found)
    return CsvLayout(delimiter, positions, has_header)


def _positions(
    names: Sequence[str], columns: Mapping[str, str]
) -> Iterable[tuple[str, int]]:
    plain = ["".join(filter(str.isalnum, text)).lower() for text in names]
    for column in COLUMNS:
        if column in columns:
            if columns[column] in names:
                yield column, names.index(columns[column])
        else:
            known = [text for text in _NAMES[column] if text in plain]
            if known:
                yield column, plain.index(known[0])


def decode_ticks(
    lines: Sequence[str], layout: CsvLayout, hour_us: int, *, name: str
) -> HourTicks:
    """Return the ticks of an hour in the order of their times, then of the lines.

    Sizes are as the file has them, NaN where it has none. Prices and sizes are for the
    quality gate to judge.

    Raises:
        DamagedFile: naming the file ``name``, what was expected, and what was found.
    """
    time_us = _times(lines, layout, name=name)
    is_outside = (time_us < hour_us) | (time_us >= hour_us + HOUR_US)
    if is_outside.any():
        line = lines[int(is_outside.argmax())]
        raise DamagedFile(name, "a time inside the hour", f"{line!r:.120}")
    ticks = HourTicks(
        time_us, *(_numbers(lines, layout, item, name=name) for item in COLUMNS[1:])
    )
    order = np.argsort(time_us, kind="stable")
    return HourTicks(*(getattr(ticks, item)[order] for item in HourTicks.__slots__))


def _times(lines: Sequence[str], layout: CsvLayout, *, name: str) -> NDArray[np.int64]:
    times = np.empty(len(lines), np.int64)
    for row, line in enumerate(lines):
        try:
            times[row] = parse_time_us(layout.field(line, "time"))
        except (ValueError, IndexError) as exc:
            raise DamagedFile(name, "a time", f"{line!r:.80} ({exc})") from exc
    return times


def _numbers(
    lines: Sequence[str], layout: CsvLayout, column: str, *, name: str
) -> NDArray[np.float64]:
    if column not in layout.positions:
        return np.full(len(lines), np.nan)
    try:
        fields = [layout.field(line, column) or "nan" for line in lines]
        return np.array(fields, np.float64)
    except (ValueError, IndexError) as exc:
        raise DamagedFile(name, f"numbers for {column}", str(exc)) from exc
