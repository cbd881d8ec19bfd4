"""A folder of Dukascopy's `.bi5` files, in the archive's layout or flat.

    EURUSD/2019/01/04/00h_ticks.bi5      the archive's own: months count from 00, so
                                         this is 4 February
    EURUSD_2019-02-04_00h_ticks.bi5      flat: the true UTC date

Either may lie up to two folders below the one that is named, as in a copy of the whole
site (`datafeed/EURUSD/...`).
"""

import os
from collections.abc import Iterable
from pathlib import Path

from history.timestamps import to_datetime
from importer.archive_symbols import file_symbol
from importer.bi5 import decode_ticks
from importer.exceptions import DamagedFile, InvalidSource, UnreadableFile
from importer.hour_ticks import HourTicks
from importer.sources.base import HourFile

KIND = "bi5-dir"

# Bounds what a stray file can take of the memory; real hours stay below 1 MiB.
MAX_FILE_BYTES = 64 * 1024 * 1024


class Bi5Folder:
    """Reads hours from files on disk."""

    # Decoding holds no lock of the interpreter for most of its time, but a third thread
    # on two cores only takes time from the writer.
    threads = 2
    is_local = True

    def __init__(self, folder: Path) -> None:
        """Keep the folder.

        Raises:
            InvalidSource: there is no such folder.
        """
        if not os.path.isdir(folder):
            what = "a file" if os.path.isfile(folder) else "nothing"
            raise InvalidSource(f"a folder at {folder}", what)
        self.spec = f"{KIND}:{folder}"
        self._folder = folder
        self._roots: dict[str, list[Path]] = {}

    def fetch(self, symbol: str, hour_us: int) -> HourFile | None:
        """Return the file of the hour, None if no layout has one.

        Raises:
            UnreadableFile: the system refuses to give what is there.
            DamagedFile: it is larger than any hour can be.
        """
        for path in self._candidates(symbol, hour_us):
            data = _read(path)
            if data is not None:
                return HourFile(str(path), data)
        return None

    def decode(self, file: HourFile, hour_us: int, *, price_scale: int) -> HourTicks:
        """Return the ticks in a file; see `importer.bi5.decode_ticks`."""
        return decode_ticks(file.data, hour_us, price_scale=price_scale, name=file.name)

    def close(self) -> None:
        """Do nothing: reading from disk does not wait."""

    def _candidates(self, symbol: str, hour_us: int) -> Iterable[Path]:
        start = to_datetime(hour_us)
        symbol = file_symbol(symbol)
        archive = (
            f"{symbol}/{start.year:04}/{start.month - 1:02}/{start.day:02}"
            f"/{start.hour:02}h_ticks.bi5"
        )
        flat = f"{symbol}_{start:%Y-%m-%d_%H}h_ticks.bi5"
        for root in self._roots_of(symbol):
            yield root / archive
            yield root / flat

    def _roots_of(self, symbol: str) -> list[Path]:
        # Two threads may both look; they find the same.
        if symbol not in self._roots:
            self._roots[symbol] = _find_roots(self._folder, symbol)
        return self._roots[symbol]


def _find_roots(folder: Path, symbol: str) -> list[Path]:
    """Return the folders of the first level that has files of the symbol."""
    level = [folder]
    for _ in range(3):
        if found := [item for item in level if _holds(item, symbol)]:
            return found
        level = [child for item in level for child in _subfolders(item)]
    # Someone may name the symbol's own folder.
    return [folder.parent] if folder.name == symbol else []


def _holds(folder: Path, symbol: str) -> bool:
    # os.path answers False where Path.is_dir raises PermissionError.
    return os.path.isdir(folder / symbol) or any(
        folder.glob(f"{symbol}_????-??-??_??h_ticks.bi5")
    )


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(item for item in folder.iterdir() if os.path.isdir(item))
    except PermissionError:
        return []


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        expected, found = "a readable file", exc.strerror or repr(exc)
        raise UnreadableFile(str(path), expected, found) from exc
    if len(data) > MAX_FILE_BYTES:
        raise DamagedFile(str(path), f"at most {MAX_FILE_BYTES} bytes", "more")
    return data
