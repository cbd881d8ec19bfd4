"""The recorder with its journal: nothing is lost while the database is away."""

import asyncio
from pathlib import Path

import psycopg
import pytest
import structlog

from history import batch_writer
from history.exceptions import Superseded
from history.journal import Journal
from history.journal_segments import rows_of_segment
from history.record_batch import StoredBatch
from history.recorder import Recorder
from history.recorder_counters import RecorderCounters
from marketdata import records
from tests.history.live_rows import EPOCH, tick_row
from tests.history.test_recorder import RecordingStore
from tests.marketdata.polling import until

AWAY = psycopg.OperationalError("connection refused")
GROUP = "md.tick.oanda.EURUSD"


@pytest.fixture(autouse=True)
def short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_writer, "RETRY_MIN_S", 0.001)


def make_recorder(
    folder: Path, store: RecordingStore, epoch: int = EPOCH, **limits: int
) -> Recorder:
    journal = Journal(folder, epoch, max_bytes=1_000_000, segment_bytes=1_000)
    options = {"flush_s": 60.0, "flush_rows": 3, "max_rows": 10, **limits}
    return Recorder(store=store, journal=journal, **options)


def append(recorder: Recorder, *numbers: int, epoch: int = EPOCH) -> None:
    for number in numbers:
        recorder.append(*tick_row(number, epoch=epoch))


def leave(folder: Path, *numbers: int, epoch: int = EPOCH - 1) -> None:
    """Write what a process that died had taken."""
    journal = Journal(folder, epoch, max_bytes=1_000_000)
    journal.append([tick_row(number, epoch=epoch) for number in numbers])
    journal.close()


def names(folder: Path) -> list[str]:
    """Return the files of the folder."""
    return sorted(path.name for path in folder.iterdir())


def written(folder: Path) -> list[int]:
    """Return the numbers of all that is in the folder's segments."""
    journal = Journal(folder, EPOCH + 9, max_bytes=0)
    found = [
        number
        for left in journal.find_left()
        for segment in left.segments
        for _, _, number in rows_of_segment(segment)
    ]
    journal.close()
    return found


async def test_rows_are_in_the_journal_after_write_block(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path, RecordingStore())

    append(recorder, 1, 2)
    before = names(tmp_path)
    recorder.write_block()

    assert before == ["200000000.lock"]
    assert names(tmp_path) == ["200000000-000001.journal", "200000000.lock"]
    await recorder.drain()
    assert names(tmp_path) == []


async def test_rows_are_in_the_journal_after_the_turn_of_the_loop(
    tmp_path: Path,
) -> None:
    recorder = make_recorder(tmp_path, RecordingStore())

    append(recorder, 1)
    await asyncio.sleep(0)

    assert "200000000-000001.journal" in names(tmp_path)
    await recorder.drain()


async def test_database_away_longer_than_memory_lasts_loses_nothing(
    tmp_path: Path,
) -> None:
    store = RecordingStore(*[AWAY] * 10)
    recorder = make_recorder(tmp_path, store)

    for number in range(1, 301):
        append(recorder, number)
        await asyncio.sleep(0)
    assert recorder.is_behind
    assert recorder.held == 300
    assert len(recorder.unstored(records.Tick, "EURUSD")) <= 10
    await until(lambda: recorder.counters.stored == 300)
    append(recorder, 301)
    await recorder.drain()

    assert [n for batch in store.batches for n in batch] == list(range(1, 302))
    assert recorder.counters == RecorderCounters(stored=301, failed_flushes=10)
    assert recorder.stored_numbers == {GROUP: 301}
    assert store.is_closed.wait(60)  # files go before that
    assert names(tmp_path) == []


async def test_drain_cut_short_leaves_rows_in_the_journal(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path, RecordingStore(*[AWAY] * 100_000))
    append(recorder, *range(1, 31))

    with structlog.testing.capture_logs() as logs, pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await recorder.drain()

    assert logs[-1]["event"] == "records are left in the journal"
    assert logs[-1]["rows"] == 30
    assert recorder.counters.dropped == 0
    assert written(tmp_path) == list(range(1, 31))


async def test_replay_stores_what_was_left_before_what_is_new(tmp_path: Path) -> None:
    leave(tmp_path, 1, 2, 3, epoch=EPOCH - 2)
    leave(tmp_path, 1, 2, epoch=EPOCH - 1)
    store = RecordingStore()
    recorder = make_recorder(tmp_path, store)

    is_done = await recorder.replay()

    assert is_done
    assert not recorder.is_behind
    assert store.batches == [[1, 2, 3], [1, 2]]
    assert recorder.stored_numbers == {}  # of our own epoch nothing is stored
    append(recorder, 1)
    await recorder.drain()
    assert recorder.counters == RecorderCounters(stored=6, replayed=5)
    assert recorder.stored_numbers == {GROUP: 1}
    assert store.is_closed.wait(60)  # files go before that
    assert names(tmp_path) == []


async def test_replay_without_database_goes_on_behind(tmp_path: Path) -> None:
    leave(tmp_path, 1, 2, 3)
    store = RecordingStore(AWAY, AWAY, AWAY)
    recorder = make_recorder(tmp_path, store)

    is_done = await recorder.replay()

    assert not is_done
    assert recorder.is_behind
    append(recorder, 7, 8, 9)
    await recorder.drain()
    assert store.batches == [[1, 2, 3], [7, 8, 9]]


async def test_replay_of_nothing_is_done_at_once(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path, RecordingStore())

    assert await recorder.replay()
    assert await recorder.drain()


class SupersededStore(RecordingStore):
    def store(self, rows: object) -> StoredBatch:
        raise Superseded("epoch 200000001 holds the lease")


async def test_superseded_recorder_stops_storing_and_keeps_the_journal(
    tmp_path: Path,
) -> None:
    recorder = make_recorder(tmp_path, SupersededStore())
    told: list[None] = []
    recorder.on_superseded = lambda: told.append(None)

    append(recorder, 1, 2, 3)
    await until(lambda: told)
    append(recorder, 4)
    is_drained = await recorder.drain()

    assert not is_drained
    assert told == [None]
    assert written(tmp_path) == [1, 2, 3]
    assert recorder.counters == RecorderCounters(dropped=1)


async def test_superseded_while_replaying_keeps_what_was_left(tmp_path: Path) -> None:
    leave(tmp_path, 1, 2)
    recorder = make_recorder(tmp_path, SupersededStore())

    assert not await recorder.replay()
    await recorder.drain()

    assert written(tmp_path) == [1, 2]
