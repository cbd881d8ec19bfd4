"""Reads segments of a journal for storing, and what of them is lost. Blocks."""

import time
from contextlib import suppress

import django.db
import structlog

from history.feed_gaps import FeedGapRow, select_ends
from history.journal_segments import Segment, rows_of_segment
from history.live_rows import Row
from history.lost_rows import Key, holes_of_damage

log = structlog.get_logger(__name__)


def read_segment(segment: Segment) -> tuple[list[Row], list[FeedGapRow]]:
    """Return the rows that can be read, and the spans of those that cannot.

    Raises:
        OSError: the file cannot be read.
    """
    damaged_at: list[int] = []
    rows = rows_of_segment(segment, damaged_at.append)
    if not damaged_at:
        return rows, []
    until_us = segment.path.stat().st_mtime_ns // 1_000
    return rows, _holes(segment, rows, damaged_at, until_us)


def read_or_lose(segment: Segment) -> tuple[list[Row], list[FeedGapRow]]:
    """Return the same; if the file cannot be read, all that it held is lost."""
    try:
        return read_segment(segment)
    except OSError as exc:
        log.error("journal cannot be read", error=str(exc), lost=segment.rows)
        return [], _holes(segment, [], [0], time.time_ns() // 1_000)


def _holes(
    segment: Segment, rows: list[Row], damaged_at: list[int], until_us: int
) -> list[FeedGapRow]:
    """Return the spans; wider ones if the database cannot say what it has of them."""
    ends: dict[Key, int] = {}
    try:
        with suppress(django.db.Error):
            ends = select_ends(segment.path.parent.name)
    finally:
        django.db.connection.close()
    return holes_of_damage(rows, damaged_at, ends=ends, until_us=until_us)
