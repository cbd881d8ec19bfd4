"""The journal of one feed process: rows on disk before anybody hears of them.

A folder per broker. Each process writes segments of its own, `<epoch>-<n>.journal`, and
holds a lock on `<epoch>.lock` while it lives: what is not locked was left by a dead one
(`journal_left`). Blocks are written without fsync: they outlive the process, not a
power failure.
"""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import structlog

from history.journal_blocks import encode_block
from history.journal_left import LeftJournal, find_left, lock_epoch, unlock_epoch
from history.journal_segments import Segment, delete_segment, segment_path, total_bytes
from history.live_rows import Row

SEGMENT_BYTES = 8 * 1024 * 1024

log = structlog.get_logger(__name__)


class Journal:
    """Appends blocks to segments, never above ``max_bytes`` in the broker's folder.

    ``append``, ``seal`` and ``reset`` belong to the loop, ``delete`` and ``find_left``
    to the recorder's thread.

    Raises:
        OSError: the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        epoch: int,
        *,
        max_bytes: int,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.epoch = epoch
        self._lock = lock_epoch(folder, epoch)
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        # Two counts, each changed by one thread alone.
        self._written = total_bytes(folder)
        self._deleted = 0
        self._fd: int | None = None
        self._index = 0
        self._size = 0  # of the open segment, as its rows
        self._rows = 0
        self._refused = 0
        self._log = log.bind(broker=folder.name)

    @property
    def used_bytes(self) -> int:
        """What the folder's segments hold, those that dead processes left included."""
        return self._written - self._deleted

    @property
    def is_segment_full(self) -> bool:
        """Whether it is time to seal the open segment."""
        return self._size >= self._segment_bytes

    def append(self, rows: Sequence[Row]) -> bool:
        """Write the rows as a block; False if the bound or the disk forbids it."""
        try:
            self._append(encode_block(rows))
        except (OSError, OverflowError, ValueError) as exc:
            if not self._refused:
                self._log.error(
                    "journal refuses records",
                    error=str(exc),
                    used_bytes=self.used_bytes,
                    max_bytes=self._max_bytes,
                )
            self._refused += len(rows)
            return False
        self._rows += len(rows)
        if self._refused:
            self._log.warning("journal takes records again", refused=self._refused)
            self._refused = 0
        return True

    def seal(self) -> Segment | None:
        """Close the open segment and return it; None if nothing was written to it."""
        if self._fd is None or not self._size:
            return None
        os.close(self._fd)
        self._fd = None
        return Segment(self._path, self._size, self._rows)

    def reset(self) -> None:
        """Empty the open segment: all its rows are committed."""
        if self._fd is None or not self._size:
            return
        try:
            os.ftruncate(self._fd, 0)
        except OSError:  # they stay, and are found to be stored when replayed
            return
        self._written -= self._size
        self._size = self._rows = 0

    def delete(self, segment: Segment) -> None:
        """Remove a sealed segment of this or a dead process. Blocks."""
        delete_segment(segment)
        self._deleted += segment.size

    def find_left(self) -> list[LeftJournal]:
        """Return what dead processes left, oldest epoch first, locked. Blocks."""
        return find_left(self.folder, self.epoch)

    def close(self) -> None:
        """End writing. What is not committed stays for the next process."""
        is_empty = not self._size
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            if is_empty:
                self._path.unlink(missing_ok=True)
        unlock_epoch(self.folder, self.epoch, self._lock)

    @property
    def _path(self) -> Path:
        return segment_path(self.folder, self.epoch, self._index)

    def _append(self, block: bytes) -> None:
        if self.used_bytes + len(block) > self._max_bytes:
            raise OSError(errno.EDQUOT, "the journal's bound is reached")
        if self._fd is None:
            self._open_next()
        fd = self._fd
        assert fd is not None
        written = os.write(fd, block)
        if written < len(block):  # the disk is full: leave no half block behind
            os.ftruncate(fd, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written
        self._written += written

    def _open_next(self) -> None:
        self._index += 1
        self._size = self._rows = 0
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o600)
