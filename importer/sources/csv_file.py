"""Ticks from CSV files, plain or gzipped: one file, or a folder of them.

    csv:/data/EURUSD_2019.csv
    csv:/data/exports                                 EURUSD*.csv, EURUSD/*.csv.gz, ...
    csv:/data/a.csv?time=Date&bid=B&ask=A             columns by name
    csv:/data/a.csv?time=1&bid=2&ask=3&bid_size=4     by number: no line of names

A file is read through once, to find where its hours are; then hour by hour.
"""

import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

from importer.archive_symbols import file_symbol
from importer.csv_ticks import COLUMNS, CsvLayout, decode_ticks
from importer.exceptions import DamagedFile, HourError, InvalidSource, UnreadableFile
from importer.hour_ticks import HourTicks
from importer.sources.base import HourFile
from importer.sources.plain_text import IndexedFile, PlainText

KIND = "csv"
_ENDINGS = (".csv", ".csv.gz", ".txt", ".txt.gz")


class CsvFiles:
    """Reads hours from CSV files on disk; sizes are taken to be in millions."""

    # Splitting lines holds the interpreter's lock: more threads would only wait.
    threads = 1
    is_local = True

    def __init__(self, place: Path, columns: Mapping[str, str]) -> None:
        """Keep the place, and the names of columns that are not the usual ones.

        Raises:
            InvalidSource: nothing is there, or an option is no column's name.
        """
        unknown = [name for name in columns if name not in COLUMNS]
        if unknown:
            raise InvalidSource(f"options {', '.join(COLUMNS)}", ", ".join(unknown))
        if not os.path.exists(place):
            raise InvalidSource(f"a file or a folder at {place}", "nothing")
        options = f"?{urlencode(columns)}" if columns else ""
        self.spec = f"{KIND}:{place}{options}"
        self._place = place
        self._columns = columns
        self._plain = PlainText()
        self._indexed: dict[str, Sequence[IndexedFile] | HourError] = {}
        self._layouts: dict[str, CsvLayout] = {}
        self._lock = threading.Lock()

    def fetch(self, symbol: str, hour_us: int) -> HourFile | None:
        """Return the hour's lines, None if no file reaches over the hour.

        The first hour of a symbol takes as long as reading its files through.

        Raises:
            HourError: a file cannot be read, or is no text with times.
            InvalidSource: a file lacks the columns.
        """
        reaching = [
            file
            for file in self._files_of(file_symbol(symbol))
            if file.first_us <= hour_us <= file.last_us
        ]
        if not reaching:
            return None
        # Files may meet inside an hour. Those that pass over it add no bytes.
        files = [item for item in reaching if hour_us in item.index.stretches]
        first, *others = files or reaching
        for file in others:
            if file.index.layout != first.index.layout:
                expected = f"the columns of {first.path}, which has the same hour"
                raise DamagedFile(str(file.path), expected, "others")
        data = b"".join(self._plain.read(file, hour_us) for file in files)
        return HourFile(str(first.path), data)

    def decode(self, file: HourFile, hour_us: int, *, price_scale: int) -> HourTicks:
        """Return the ticks in an hour's lines; see `importer.csv_ticks`."""
        text = file.data.decode("utf-8-sig", "replace")
        lines = [line for line in text.splitlines() if line]
        layout = self._layouts[file.name]
        return decode_ticks(lines, layout, hour_us, name=file.name)

    def close(self) -> None:
        """Do nothing: reading from disk does not wait."""

    def _files_of(self, symbol: str) -> Sequence[IndexedFile]:
        with self._lock:
            if symbol not in self._indexed:
                try:
                    self._indexed[symbol] = self._index(symbol)
                except HourError as exc:
                    self._indexed[symbol] = exc
            files = self._indexed[symbol]
        if isinstance(files, HourError):
            raise files
        return files

    def _index(self, symbol: str) -> Sequence[IndexedFile]:
        if not self._place.is_dir() and self._indexed:
            expected = f"one symbol to a file, which was {', '.join(self._indexed)}"
            raise UnreadableFile(str(self._place), expected, symbol)
        files = [
            self._plain.index(path, self._columns)
            for path in _find_files(self._place, symbol)
        ]
        self._layouts.update({str(file.path): file.index.layout for file in files})
        return files


def _find_files(place: Path, symbol: str) -> Iterator[Path]:
    """Yield the symbol's files: named after it, or in a folder named after it."""
    if not place.is_dir():
        yield place
        return
    # BTCUSD is in BTC-USD_2019.csv and btcusd2019.csv, and not in BTCUSDT_2019.csv.
    letters = r"[^A-Z0-9]?".join(map(re.escape, symbol))
    named = re.compile(rf"{letters}(?![A-Z])", re.IGNORECASE)
    for path in sorted(place.rglob("*")):
        is_own = named.match(path.name) or file_symbol(path.parent.name) == symbol
        if is_own and path.name.lower().endswith(_ENDINGS) and path.is_file():
            yield path
