"""Where in a CSV file each hour's lines are: no file is ever in memory whole."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from importer.csv_ticks import CsvLayout, find_layout
from importer.csv_times import has_offset, parse_time_us
from importer.exceptions import DamagedFile
from marketdata.durations import HOUR_US

# A line of ticks has some 60 bytes. What has no line ends at all is not read whole.
MAX_LINE_BYTES = 4096


@dataclass(slots=True)
class CsvIndex:
    """The layout of a file and the stretches of bytes that hold each hour's lines."""

    layout: CsvLayout
    stretches: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def add(self, hour_us: int, start: int, end: int) -> None:
        """Note that the bytes from ``start`` to ``end`` belong to the hour."""
        self.stretches.setdefault(hour_us, []).append((start, end))


def index_hours(stream: BinaryIO, columns: Mapping[str, str], *, name: str) -> CsvIndex:
    """Read a file through once and return where its hours are; constant memory.

    Lines may be in any order. One without a time is counted to the hour before it,
    whose decoding will then say what is wrong with it.

    Raises:
        InvalidSource: the columns are not there.
        DamagedFile: no text with lines, or no line with a time.
    """
    index: CsvIndex | None = None
    start, end, hour_us = 0, 0, 0
    for start_of_line, text, end in _lines(stream, name):
        if index is None:
            index = CsvIndex(find_layout(text, columns, name=name))
            hours = _Hours(index.layout)
            if index.layout.has_header:
                start = end
                continue
        found_us = hours.hour_us(text) if text else hour_us
        if found_us != hour_us:
            if hour_us:
                index.add(hour_us, start, start_of_line)
                start = start_of_line
            hour_us = found_us
    if index is None:
        raise DamagedFile(name, "lines of ticks", "an empty file")
    if hour_us:
        index.add(hour_us, start, end)
    elif end > start:
        raise DamagedFile(name, "a time in each line", "none in any")
    return index


class _Hours:
    """Tells the hour of line after line; most are in the hour of the line before."""

    def __init__(self, layout: CsvLayout) -> None:
        self._layout = layout
        self._head = ""
        self._hour_us = 0

    def hour_us(self, line: str) -> int:
        """Return the start of the line's hour, of the line before if it has no time."""
        try:
            text = self._layout.field(line, "time")
            head, colon, _ = text.partition(":")
            if colon and head == self._head:
                return self._hour_us
            time_us = parse_time_us(text)
        except (ValueError, IndexError):
            return self._hour_us
        # Where offsets change, equal clocks are different hours.
        self._head = "" if has_offset(text) else head
        self._hour_us = time_us - time_us % HOUR_US
        return self._hour_us


def _lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, str, int]]:
    """Yield each line's first byte, its text, and the byte behind it."""
    start = 0
    while line := stream.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES:
            expected = f"lines of less than {MAX_LINE_BYTES} bytes"
            raise DamagedFile(name, expected, f"{line[:40]!r}...")
        end = start + len(line)
        yield start, line.decode("utf-8-sig", "replace").rstrip("\r\n"), end
        start = end
