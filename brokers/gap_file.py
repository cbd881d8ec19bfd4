"""Gaps that are told and not stored yet, on disk: they outlive the process.

A file per process beside its journal, `<epoch>.gaps`, with a MessagePack array of gaps
as maps of the fields of `FeedGapRow`. It is there while something waits.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog

from history.feed_gaps import FeedGapRow

log = structlog.get_logger(__name__)


class GapFile:
    """The file of one process; its methods block."""

    def __init__(self, folder: Path, epoch: int) -> None:
        self._folder = folder
        self._epoch = epoch
        self._path = folder / f"{epoch}.gaps"
        self._left: list[Path] = []

    def write(self, gaps: Sequence[FeedGapRow]) -> None:
        """Have the file hold these and no others; without any there is none."""
        try:
            if not gaps:
                self._path.unlink(missing_ok=True)
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            part = self._path.with_suffix(".part")
            part.write_bytes(msgspec.msgpack.encode(gaps))
            part.replace(self._path)
        except OSError as exc:
            log.warning("gaps that wait are in memory alone", error=str(exc))

    def read_left(self) -> list[FeedGapRow]:
        """Return what processes before this one could not store."""
        gaps: list[FeedGapRow] = []
        for path in sorted(self._folder.glob("*.gaps")):
            if not path.stem.isdigit() or int(path.stem) >= self._epoch:
                continue
            try:
                gaps += msgspec.msgpack.decode(path.read_bytes(), type=list[FeedGapRow])
            except (OSError, msgspec.MsgspecError) as exc:
                log.warning("gaps cannot be read", file=str(path), error=str(exc))
            else:
                self._left.append(path)
        return gaps

    def forget_left(self) -> None:
        """Delete the files that were read: this process has written what they held."""
        for path in self._left:
            path.unlink(missing_ok=True)
        self._left = []
