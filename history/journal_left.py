"""What dead processes left in a journal's folder: found by their locks being free.

The kernel frees a lock (`flock`) with the process that held it, however it ended.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from history.journal_segments import Segment, segments_by_epoch

log = structlog.get_logger(__name__)


class LeftJournal(msgspec.Struct, frozen=True):
    """Segments of a dead process in order, locked until ``release``."""

    folder: Path
    epoch: int
    segments: list[Segment]
    lock: int

    def release(self) -> None:
        """Give the lock back: the segments were deleted, or are for another try."""
        unlock_epoch(self.folder, self.epoch, self.lock)


def lock_epoch(folder: Path, epoch: int) -> int:
    """Return a descriptor that holds the epoch's lock.

    Raises:
        BlockingIOError: a living process holds it.
        OSError: the folder cannot be used.
    """
    path = _path(folder, epoch)
    while True:
        lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Not the file that another process has just removed.
            if path.exists() and os.path.samestat(path.stat(), os.fstat(lock)):
                return lock
        except OSError:
            os.close(lock)
            raise
        os.close(lock)


def unlock_epoch(folder: Path, epoch: int, lock: int) -> None:
    """Free the lock, and remove its file."""
    with suppress(OSError):
        _path(folder, epoch).unlink(missing_ok=True)
    os.close(lock)


def find_left(folder: Path, own_epoch: int) -> list[LeftJournal]:
    """Return what dead processes left, oldest epoch first; what lives is passed over.

    So is what we may not open, as another user's. Lock files without segments are
    removed.
    """
    found = segments_by_epoch(folder)
    locks = {int(path.stem) for path in folder.glob("*.lock") if path.stem.isdigit()}
    left = []
    for epoch in sorted({*found, *locks} - {own_epoch}):
        try:
            lock = lock_epoch(folder, epoch)
        except BlockingIOError:
            continue
        except OSError as exc:
            log.error("journal of another process not stored", error=str(exc))
            continue
        # Again: another process may have stored and deleted them meanwhile.
        segments = segments_by_epoch(folder).get(epoch, [])
        if segments:
            left.append(LeftJournal(folder, epoch, segments, lock))
        else:
            unlock_epoch(folder, epoch, lock)
    return left


def _path(folder: Path, epoch: int) -> Path:
    return folder / f"{epoch}.lock"
