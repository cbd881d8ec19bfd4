"""The backlog: order and bound, whatever the order of adding and taking."""

from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis.strategies as st
from hypothesis import given, settings

from history.backlog import Backlog
from history.journal import Journal
from history.journal_segments import Segment, rows_of_segment
from tests.history.live_rows import tick_row

MAX_ROWS = 6


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.integers(0, 5), max_size=60))
def test_rows_come_back_in_order_and_files_go(steps: list[int]) -> None:
    with TemporaryDirectory() as name:
        journal = Journal(Path(name), 7, max_bytes=100_000, segment_bytes=400)
        backlog = Backlog(MAX_ROWS, journal)
        added, left = 0, list[int]()

        for count in [*steps, *[0] * 40]:
            if count:
                rows = [tick_row(added + n + 1) for n in range(count)]
                assert backlog.add(rows) == 0
                added += count
            else:
                left += take_all(backlog, journal)
            waiting = [number for _, _, number in backlog.in_memory()]
            assert len(waiting) <= MAX_ROWS
            assert backlog.held == added - len(left)
            if not backlog.is_on_disk:
                assert waiting == list(range(len(left) + 1, added + 1))

        assert left == list(range(1, added + 1))
        assert journal.used_bytes == 0
        journal.close()
        assert list(Path(name).iterdir()) == []


def take_all(backlog: Backlog, journal: Journal) -> list[int]:
    """Take a chunk and let its rows leave; return their numbers."""
    chunk = backlog.take()
    rows = rows_of_segment(chunk) if isinstance(chunk, Segment) else chunk or []
    for segment in backlog.leave(len(rows)):
        journal.delete(segment)
    return [number for _, _, number in rows]


def test_add_over_the_bound_of_the_journal_loses_and_says_how_many(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path, 7, max_bytes=1_000)
    backlog = Backlog(2, journal)
    numbers = iter(range(1, 100))

    lost = [backlog.add([tick_row(next(numbers))]) for _ in range(30)]

    assert lost.count(0) == backlog.held < 15
    assert lost == sorted(lost)
    assert take_all(backlog, journal) == [1, 2]
    assert take_all(backlog, journal) == list(range(3, lost.count(0) + 1))
    assert backlog.add([tick_row(99)]) == 0
    assert backlog.held == 1


def test_add_without_a_journal_loses_what_memory_does_not_hold() -> None:
    backlog = Backlog(2)

    assert backlog.add([tick_row(number) for number in range(1, 6)]) == 3
    assert [number for _, _, number in backlog.in_memory()] == [1, 2]


def test_add_with_a_broken_journal_still_holds_rows(tmp_path: Path) -> None:
    backlog = Backlog(2, Journal(tmp_path, 7, max_bytes=0))

    assert backlog.add([tick_row(1), tick_row(2)]) == 0
    assert [number for _, _, number in backlog.take() or []] == [1, 2]
