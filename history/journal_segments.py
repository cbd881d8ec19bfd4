"""Segments: the files of a journal, each with whole blocks from begin to end."""

import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import structlog

from history.journal_blocks import Damage, decode_blocks
from history.live_rows import Row

_NAME = re.compile(r"(\d+)-(\d+)\.journal")

log = structlog.get_logger(__name__)


class Segment(NamedTuple):
    """A file that is written no more; ``rows`` 0 is unknown: a dead process's."""

    path: Path
    size: int
    rows: int = 0


def segment_path(folder: Path, epoch: int, index: int) -> Path:
    """Return the file of an epoch's segment; names sort in the order of writing."""
    return folder / f"{epoch}-{index:06}.journal"


def segments_by_epoch(folder: Path) -> dict[int, list[Segment]]:
    """Return the segments of each epoch, both in order."""
    found: dict[int, list[tuple[int, Segment]]] = {}
    for path in folder.iterdir():
        match = _NAME.fullmatch(path.name)
        # Another process may just have deleted it.
        with suppress(FileNotFoundError):
            if match:
                epoch, index = map(int, match.groups())
                segment = Segment(path, path.stat().st_size)
                found.setdefault(epoch, []).append((index, segment))
    return {
        epoch: [segment for _, segment in sorted(found[epoch])]
        for epoch in sorted(found)
    }


def total_bytes(folder: Path) -> int:
    """Return what all segments hold."""
    each = segments_by_epoch(folder).values()
    return sum(segment.size for segments in each for segment in segments)


def rows_of_segment(
    segment: Segment, on_damage: Callable[[int], None] = lambda place: None
) -> list[Row]:
    """Return the rows that can be read; names what is damaged in the log. Blocks.

    ``on_damage`` is told behind how many rows something is lost, not of what a killed
    process did not finish: nobody heard of that.

    Raises:
        OSError: the file cannot be read.
    """
    rows: list[Row] = []
    for item in decode_blocks(segment.path.read_bytes()):
        if isinstance(item, Damage):
            _tell(segment.path, item)
            if not item.is_tail:
                on_damage(len(rows))
        else:
            rows += item
    return rows


def delete_segment(segment: Segment) -> None:
    """Remove the file. Blocks."""
    segment.path.unlink(missing_ok=True)


def _tell(path: Path, damage: Damage) -> None:
    """Name the damage; of what a killed process did not finish no more is known."""
    facts = {"file": str(path), "bytes": damage.end - damage.start}
    if damage.is_tail:
        log.warning("journal ends in an unfinished block", **facts)
        return
    kept = path.with_suffix(".damaged")
    if not kept.exists():
        shutil.copyfile(path, kept)
    log.error(
        "journal is damaged, records are lost",
        offset=damage.start,
        kept_as=kept.name,
        **facts,
    )
