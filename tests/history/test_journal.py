"""The journal's files: bound, damage, and what a dead process left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from history.journal import Journal
from history.journal_left import lock_epoch
from history.journal_segments import rows_of_segment, segments_by_epoch, total_bytes
from tests.history.live_rows import tick_row

ROWS = [tick_row(number) for number in range(1, 6)]


def make_journal(folder: Path, epoch: int = 7, **limits: int) -> Journal:
    return Journal(folder, epoch, **{"max_bytes": 1_000_000, **limits})


def left_rows(journal: Journal) -> list[tuple[int, list[int]]]:
    """Return (epoch, numbers) of what is found, and release it."""
    found = []
    for left in journal.find_left():
        rows = [row for segment in left.segments for row in rows_of_segment(segment)]
        found.append((left.epoch, [number for _, _, number in rows]))
        left.release()
    return found


def test_append_and_seal_make_segments_that_read_back_in_order(tmp_path: Path) -> None:
    journal = make_journal(tmp_path / "oanda", segment_bytes=200)

    assert journal.seal() is None
    journal.append(ROWS[:1])
    assert not journal.is_segment_full
    journal.append(ROWS[1:3])
    assert journal.is_segment_full
    first = journal.seal()
    journal.append(ROWS[3:])
    second = journal.seal()

    assert first
    assert second
    assert (rows_of_segment(first), first.rows) == (ROWS[:3], 3)
    assert rows_of_segment(second) == ROWS[3:]
    assert journal.used_bytes == first.size + second.size == total_bytes(journal.folder)
    journal.delete(first)
    assert journal.used_bytes == second.size == total_bytes(journal.folder)


def test_reset_empties_the_open_segment(tmp_path: Path) -> None:
    journal = make_journal(tmp_path)
    journal.append(ROWS[:2])

    journal.reset()
    journal.append(ROWS[2:])
    segment = journal.seal()

    assert segment
    assert rows_of_segment(segment) == ROWS[2:]
    assert segment.rows == 3
    assert journal.used_bytes == segment.size


def test_append_over_the_bound_is_refused_and_told_with_the_loss(
    tmp_path: Path,
) -> None:
    journal = make_journal(tmp_path, max_bytes=200)

    with structlog.testing.capture_logs() as logs:
        taken = [journal.append([row]) for row in ROWS]
        segment = journal.seal()
        assert segment
        journal.delete(segment)
        assert journal.append(ROWS[:1])

    assert taken == [True, True, False, False, False]
    assert journal.used_bytes <= 200
    assert [item["event"] for item in logs] == [
        "journal refuses records",
        "journal takes records again",
    ]
    assert logs[0]["error"].endswith("the journal's bound is reached")
    assert logs[1]["refused"] == 3


def test_bound_counts_what_others_left(tmp_path: Path) -> None:
    dead = make_journal(tmp_path, 6)
    dead.append(ROWS)
    dead.close()

    journal = make_journal(tmp_path, 7, max_bytes=dead.used_bytes + 50)

    assert journal.used_bytes == dead.used_bytes
    assert not journal.append(ROWS[:1])


def test_append_to_a_full_disk_leaves_no_half_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = make_journal(tmp_path)
    journal.append(ROWS[:1])
    write = os.write

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[: len(data) // 2]))
        assert not journal.append(ROWS[1:2])
    journal.append(ROWS[2:])
    segment = journal.seal()

    assert segment
    assert rows_of_segment(segment) == ROWS[:1] + ROWS[2:]


def test_append_of_what_cannot_be_encoded_is_refused(tmp_path: Path) -> None:
    journal = make_journal(tmp_path)

    assert not journal.append([tick_row(1 << 70)])
    assert journal.append(ROWS)


def test_find_left_passes_over_the_living_and_itself(tmp_path: Path) -> None:
    living, dead, own = (make_journal(tmp_path, epoch) for epoch in (5, 6, 7))
    for journal in (living, dead, own):
        journal.append(ROWS[:2])
    dead.close()

    assert left_rows(own) == [(6, [1, 2])]
    living.close()
    assert left_rows(own) == [(5, [1, 2]), (6, [1, 2])]


def test_find_left_locks_what_it_found(tmp_path: Path) -> None:
    dead = make_journal(tmp_path, 5)
    dead.append(ROWS)
    dead.close()
    first, second = make_journal(tmp_path, 6), make_journal(tmp_path, 7)

    found = first.find_left()

    assert second.find_left() == []
    found[0].release()
    assert left_rows(second) == [(5, [1, 2, 3, 4, 5])]


def test_close_without_rows_leaves_no_file(tmp_path: Path) -> None:
    journal = make_journal(tmp_path)
    journal.append(ROWS)
    journal.reset()

    journal.close()

    assert list(tmp_path.iterdir()) == []


def test_find_left_removes_locks_without_segments(tmp_path: Path) -> None:
    os.close(lock_epoch(tmp_path, 3))

    assert make_journal(tmp_path).find_left() == []
    assert [path.name for path in tmp_path.iterdir()] == ["7.lock"]


def test_epoch_of_a_living_process_cannot_be_opened(tmp_path: Path) -> None:
    journal = make_journal(tmp_path)

    with pytest.raises(BlockingIOError):
        make_journal(tmp_path)
    journal.close()


def test_damaged_segment_is_named_and_kept_aside(tmp_path: Path) -> None:
    journal = make_journal(tmp_path)
    for row in ROWS:
        journal.append([row])
    segment = journal.seal()
    assert segment
    data = bytearray(segment.path.read_bytes())
    place = len(data) // 2
    data[place] ^= 1
    segment.path.write_bytes(data)

    with structlog.testing.capture_logs() as logs:
        rows = rows_of_segment(segment)

    assert rows == ROWS[:2] + ROWS[3:]
    assert [item["event"] for item in logs] == ["journal is damaged, records are lost"]
    assert logs[0]["file"] == str(segment.path)
    assert 0 < logs[0]["offset"] <= place
    assert (tmp_path / logs[0]["kept_as"]).read_bytes() == data


KILLED = """
import os, signal, sys
from pathlib import Path
from history.journal import Journal
from tests.history.live_rows import tick_row
journal = Journal(Path(sys.argv[1]), 6, max_bytes=1_000_000, segment_bytes=300)
for number in range(1, 8):
    journal.append([tick_row(number)])
    if journal.is_segment_full:
        journal.seal()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_wrote_is_found(tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert died.returncode == -signal.SIGKILL
    newest = max(tmp_path.glob("*.journal"))
    newest.write_bytes(newest.read_bytes()[:-3])

    with structlog.testing.capture_logs() as logs:
        found = left_rows(make_journal(tmp_path))

    assert found == [(6, [1, 2, 3, 4, 5, 6])]
    assert [item["event"] for item in logs] == ["journal ends in an unfinished block"]


def test_segments_by_epoch_passes_over_what_is_deleted_meanwhile(
    tmp_path: Path,
) -> None:
    (tmp_path / "5-000001.journal").symlink_to(tmp_path / "gone")
    (tmp_path / "5-000002.journal").write_bytes(b"12")
    (tmp_path / "notes.txt").write_text("not ours")

    (only,) = segments_by_epoch(tmp_path)[5]

    assert (only.path.name, only.size) == ("5-000002.journal", 2)


def test_find_left_goes_on_behind_a_journal_that_cannot_be_opened(
    tmp_path: Path,
) -> None:
    for epoch in (3, 4, 5):
        journal = make_journal(tmp_path, epoch)
        journal.append(ROWS[:1])
        journal.close()
    # Tests may run as root, whom no mode stops.
    (tmp_path / "4.lock").mkdir()

    assert left_rows(make_journal(tmp_path)) == [(3, [1]), (5, [1])]
