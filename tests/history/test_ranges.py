"""Ranges: merging, aligning, cutting, windows."""

from hypothesis import given
from hypothesis import strategies as st

from history.ranges import (
    WINDOW_US,
    Range,
    cut_ranges,
    hull,
    merge_ranges,
    subtract_ranges,
    windows,
)
from marketdata.timeframes import STORED

ranges = st.lists(
    st.builds(
        lambda series_id, start, length: Range(series_id, start, start + length),
        st.integers(1, 3),
        st.integers(0, 60),
        st.integers(0, 20),
    )
)


def buckets(items: list[Range], bucket_us: int) -> set[tuple[int, int]]:
    """The buckets that have a microsecond of the ranges, the slow way."""
    return {
        (item.series_id, time_us // bucket_us)
        for item in items
        for time_us in range(item.start_us, item.end_us)
    }


@given(ranges, st.integers(1, 12))
def test_merge_ranges_covers_the_same_buckets_once(
    items: list[Range], bucket_us: int
) -> None:
    merged = merge_ranges(items, bucket_us)

    assert buckets(merged, bucket_us) == buckets(items, bucket_us)
    assert all(r.start_us % bucket_us == r.end_us % bucket_us == 0 for r in merged)
    for one, other in zip(merged, merged[1:], strict=False):
        assert (one.series_id, one.end_us) < (other.series_id, other.start_us)


def test_merge_ranges_joins_those_that_touch() -> None:
    items = [Range(1, 60, 61), Range(2, 60, 120), Range(1, 0, 60), Range(1, 200, 201)]

    merged = merge_ranges(items, 60)

    assert merged == [Range(1, 0, 120), Range(1, 180, 240), Range(2, 60, 120)]


@given(ranges, st.integers(1, 12))
def test_cut_ranges_loses_nothing_and_crosses_no_multiple(
    items: list[Range], length_us: int
) -> None:
    pieces = list(cut_ranges(items, length_us))

    assert buckets(pieces, 1) == buckets(items, 1)
    assert sum(r.end_us - r.start_us for r in pieces) == sum(
        r.end_us - r.start_us for r in items
    )
    assert all((r.end_us - 1) // length_us == r.start_us // length_us for r in pieces)


def test_windows_groups_pieces_by_window_oldest_first() -> None:
    items = [Range(1, WINDOW_US - 5, WINDOW_US + 5), Range(2, 7, 8)]

    assert windows(items) == [
        [Range(1, WINDOW_US - 5, WINDOW_US), Range(2, 7, 8)],
        [Range(1, WINDOW_US, WINDOW_US + 5)],
    ]


def test_window_holds_whole_buckets_of_all_stored_timeframes() -> None:
    assert [WINDOW_US % (item.length_s * 1_000_000) for item in STORED] == [0] * 6


def test_hull_returns_outermost_bounds() -> None:
    assert hull([Range(1, 5, 9), Range(2, 3, 4)]) == (3, 9)


@given(ranges, ranges)
def test_subtract_ranges_leaves_what_is_in_no_hole(items: list[Range], holes) -> None:
    left = subtract_ranges(items, holes)

    assert buckets(left, 1) == buckets(items, 1) - buckets(holes, 1)
    assert all(item.start_us < item.end_us for item in left if item not in items)


def test_subtract_ranges_keeps_the_order_and_other_series() -> None:
    items = [Range(1, 0, 60), Range(2, 0, 60)]

    assert subtract_ranges(items, [Range(1, 10, 20), Range(1, 30, 99)]) == [
        Range(1, 0, 10),
        Range(1, 20, 30),
        Range(2, 0, 60),
    ]
