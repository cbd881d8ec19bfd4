"""Plain text of CSV files, wherever it is: in the file, or unpacked on disk."""

import gzip
import os
import shutil
import tempfile
import weakref
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from importer.exceptions import UnreadableFile
from importer.sources.csv_index import CsvIndex, index_hours


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file, its index, and its first and last hour.

    ``spooled`` is where its text begins in the spool, None if the file is plain.
    """

    path: Path
    index: CsvIndex
    first_us: int
    last_us: int
    spooled: int | None


class PlainText:
    """Gives stretches of files' text.

    What is gzipped cannot be read from the middle, so such files are unpacked, one
    behind the other, into a temporary file: their size on disk while this object lives.
    """

    def __init__(self) -> None:
        self._spool = tempfile.TemporaryFile(prefix="import-csv-")  # noqa: SIM115
        weakref.finalize(self, self._spool.close)

    def index(self, path: Path, columns: Mapping[str, str]) -> IndexedFile:
        """Return a file's index; one caller at a time.

        Raises:
            UnreadableFile: it cannot be read or unpacked.
            DamagedFile, InvalidSource: see `index_hours`.
        """
        spooled = None
        try:
            if path.suffix.lower() == ".gz":
                spooled = self._spool.seek(0, os.SEEK_END)
                with gzip.open(path) as packed:
                    shutil.copyfileobj(packed, self._spool)
                self._spool.seek(spooled)
                found = index_hours(self._spool, columns, name=str(path))
            else:
                with path.open("rb") as stream:
                    found = index_hours(stream, columns, name=str(path))
        except (OSError, EOFError, zlib.error) as exc:
            raise UnreadableFile(str(path), "a readable file", str(exc)) from exc
        hours = found.stretches or [0]
        return IndexedFile(path, found, min(hours), max(hours), spooled)

    def read(self, file: IndexedFile, hour_us: int) -> bytes:
        """Return the lines of an hour that the file has; safe in several threads.

        Raises:
            UnreadableFile: it can no longer be read.
        """
        stretches = file.index.stretches[hour_us]
        if file.spooled is not None:
            return _read(self._spool.fileno(), stretches, base=file.spooled)
        try:
            with file.path.open("rb") as stream:
                return _read(stream.fileno(), stretches, base=0)
        except OSError as exc:
            raise UnreadableFile(str(file.path), "a readable file", str(exc)) from exc


def _read(descriptor: int, stretches: Sequence[tuple[int, int]], *, base: int) -> bytes:
    parts = [
        os.pread(descriptor, end - start, base + start) for start, end in stretches
    ]
    # The last line of a file may have no end, and another file's lines may follow.
    return b"".join(part if part.endswith(b"\n") else part + b"\n" for part in parts)
