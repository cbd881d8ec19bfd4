"""What a recorder drops is told as spans of time: journal full, bad values, damage."""

from pathlib import Path

import psycopg
import pytest

from history import batch_writer
from history.feed_gaps import FeedGapRow
from history.journal import Journal
from history.recorder import Recorder
from history.recorder_counters import RecorderCounters
from marketdata.records import Kind
from tests.history.live_rows import EPOCH, T0_US, tick_row
from tests.history.test_recorder import RecordingStore
from tests.history.test_recorder_journal import append, make_recorder, names
from tests.marketdata.polling import until

# What is damaged is looked for in the database, too.
pytestmark = pytest.mark.django_db(transaction=True)

S = 1_000_000


@pytest.fixture(autouse=True)
def short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_writer, "RETRY_MIN_S", 0.001)


def gap(start_us: int, end_us: int) -> FeedGapRow:
    return FeedGapRow(
        "EURUSD", Kind.TICK, T0_US + start_us, T0_US + end_us, "not stored"
    )


def damage(path: Path, block: int = 0) -> None:
    """Change a byte of a block; all are as long as the first, or nearly."""
    data = bytearray(path.read_bytes())
    start = 0
    for _ in range(block):
        start = data.index(b"MDJ1", start + 1)
    data[start + 50] ^= 1
    path.write_bytes(data)


async def test_rows_beyond_the_journals_bound_are_lost_in_one_span(
    tmp_path: Path,
) -> None:
    store = RecordingStore()
    store.is_free.clear()
    journal = Journal(tmp_path, EPOCH, max_bytes=5_000)
    recorder = Recorder(
        store=store, journal=journal, flush_s=60.0, flush_rows=1, max_rows=10
    )
    for number in range(1, 101):
        append(recorder, number)
        recorder.write_block()
    store.is_free.set()
    await recorder.drain()

    dropped = recorder.counters.dropped
    assert 0 < dropped < 90
    assert recorder.lost.take() == [gap((101 - dropped) * S - 1, 100 * S + 1)]


async def test_row_that_the_database_never_takes_is_a_span(tmp_path: Path) -> None:
    store = RecordingStore()
    store.bad_numbers, store.bad_error = {2}, psycopg.DataError("out of range")
    recorder = make_recorder(tmp_path, store)

    append(recorder, 1, 2, 3)
    await recorder.drain()

    assert recorder.counters.dropped == 1
    assert recorder.lost.take() == [gap(2 * S - 1, 2 * S + 1)]


async def test_damaged_block_that_is_read_back_is_a_span(tmp_path: Path) -> None:
    store = RecordingStore()
    store.is_free.clear()
    recorder = make_recorder(tmp_path, store)
    for number in range(1, 101):
        append(recorder, number)
        recorder.write_block()
    await until(lambda: store.asked)
    damage(tmp_path / names(tmp_path)[4], block=2)
    store.is_free.set()
    await recorder.drain()

    assert recorder.counters == RecorderCounters(stored=99, dropped=1)
    assert store.is_closed.wait(5)  # files go before that
    assert names(tmp_path) == ["200000000-000005.damaged"]
    (lost,) = set(range(1, 101)) - {n for batch in store.batches for n in batch}
    assert recorder.lost.take() == [gap((lost - 1) * S, (lost + 1) * S)]


async def test_damaged_block_that_a_dead_process_left_is_a_span(tmp_path: Path) -> None:
    journal = Journal(tmp_path, EPOCH - 1, max_bytes=1_000_000)
    for number in range(1, 8):
        journal.append([tick_row(number, epoch=EPOCH - 1)])
    journal.close()
    damage(tmp_path / names(tmp_path)[0], block=3)
    recorder = make_recorder(tmp_path, RecordingStore())

    await recorder.replay()
    await recorder.drain()

    assert recorder.counters.replayed == 6
    assert recorder.lost.take() == [gap(3 * S, 5 * S)]
