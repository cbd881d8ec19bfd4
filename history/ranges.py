"""Ranges of time of a series: merged, aligned to buckets, cut into windows.

Microseconds UTC, start inclusive, end exclusive.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from marketdata.durations import DAY_US

# A window's statements see the chunks between its bounds and no others; the candles of
# all stored timeframes fit into it whole, for it is a multiple of 12h.
WINDOW_US = 30 * DAY_US


class Range(msgspec.Struct, frozen=True, order=True, gc=False):
    """[``start_us``, ``end_us``) of one series; ordered by series, then start."""

    series_id: int
    start_us: int
    end_us: int


def merge_ranges(ranges: Iterable[Range], bucket_us: int) -> list[Range]:
    """Return the ranges widened to whole buckets, with those that touch joined.

    The result is ordered by series, then start; empty ranges vanish.
    """
    merged: list[Range] = []
    for item in sorted(ranges):
        if item.start_us >= item.end_us:
            continue
        start_us = item.start_us - item.start_us % bucket_us
        end_us = item.end_us + -item.end_us % bucket_us
        last = merged[-1] if merged else None
        if last and last.series_id == item.series_id and start_us <= last.end_us:
            end_us = max(end_us, last.end_us)
            merged[-1] = Range(item.series_id, last.start_us, end_us)
        else:
            merged.append(Range(item.series_id, start_us, end_us))
    return merged


def subtract_ranges(ranges: Iterable[Range], holes: Iterable[Range]) -> list[Range]:
    """Return what of the ranges lies in no hole, in the order of the ranges."""
    left = list(ranges)
    for hole in holes:
        left = [piece for item in left for piece in _without(item, hole)]
    return left


def cut_ranges(ranges: Iterable[Range], length_us: int) -> Iterator[Range]:
    """Yield the ranges cut at every multiple of ``length_us`` since the epoch."""
    for item in ranges:
        start_us = item.start_us
        while start_us < item.end_us:
            end_us = min(item.end_us, start_us - start_us % length_us + length_us)
            yield Range(item.series_id, start_us, end_us)
            start_us = end_us


def windows(ranges: Iterable[Range]) -> list[list[Range]]:
    """Return the ranges cut and grouped by the window they lie in, oldest window first.

    Within a window they are ordered by series, then start.
    """

    def window_of(item: Range) -> int:
        return item.start_us // WINDOW_US

    pieces = sorted(cut_ranges(ranges, WINDOW_US), key=lambda r: (window_of(r), r))
    return [list(group) for _, group in groupby(pieces, key=window_of)]


def _without(item: Range, hole: Range) -> Iterator[Range]:
    is_apart = hole.end_us <= item.start_us or item.end_us <= hole.start_us
    if hole.series_id != item.series_id or is_apart:
        yield item
        return
    if item.start_us < hole.start_us:
        yield Range(item.series_id, item.start_us, hole.start_us)
    if hole.end_us < item.end_us:
        yield Range(item.series_id, hole.end_us, item.end_us)


def hull(ranges: Sequence[Range]) -> tuple[int, int]:
    """Return the earliest start and the latest end of at least one range."""
    return min(r.start_us for r in ranges), max(r.end_us for r in ranges)
