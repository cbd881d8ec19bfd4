"""The recorder: never blocks, bounded, keeps what the database does not take."""

import asyncio
import threading
from collections.abc import Sequence

import psycopg
import pytest
from django.db import connections

from history import batch_writer
from history.live_rows import Row
from history.models import Tick
from history.record_batch import StoredBatch
from history.recorder import Recorder
from history.recorder_counters import RecorderCounters
from marketdata import records
from marketdata.topics import topic_of
from tests.history.storage import T0_US, make_series
from tests.marketdata.polling import until


class RecordingStore:
    """Takes batches; raises the errors it was given first; waits while held."""

    def __init__(self, *errors: Exception) -> None:
        self.batches: list[list[int]] = []
        self.errors = list(errors)
        self.asked = 0
        self.is_free = threading.Event()
        self.is_free.set()
        self.is_closed = threading.Event()
        self.bad_numbers: set[int] = set()
        self.bad_error = Exception()

    def store(self, rows: Sequence[Row]) -> StoredBatch:
        self.asked += 1
        assert self.is_free.wait(10)
        if self.errors:
            raise self.errors.pop(0)
        numbers = [number for _, _, number in rows]
        if self.bad_numbers & set(numbers):
            raise self.bad_error
        self.batches.append(numbers)
        return StoredBatch(len(rows), 0, 0, {topic_of(rows[-1][0]): numbers[-1]})

    def close(self) -> None:
        self.is_closed.set()


def make_recorder(store: RecordingStore | None, **limits: float) -> Recorder:
    options = {"flush_s": 60.0, "flush_rows": 3, "max_rows": 10, **limits}
    return Recorder(store=store, **options)


def append(recorder: Recorder, *numbers: int, epoch: int = 200_000_000) -> None:
    for number in numbers:
        tick = records.Tick(
            broker="oanda",
            symbol="EURUSD",
            time_us=T0_US + number,
            received_us=T0_US,
            bid=1.1,
            ask=1.2,
        )
        recorder.append(tick, epoch, number)


@pytest.fixture(autouse=True)
def short_retries(monkeypatch) -> None:
    monkeypatch.setattr(batch_writer, "RETRY_MIN_S", 0.001)


async def test_append_of_enough_rows_writes_them_in_order() -> None:
    store = RecordingStore()
    recorder = make_recorder(store)

    append(recorder, 1, 2)
    await asyncio.sleep(0.02)
    before = list(store.batches)
    append(recorder, 3)
    await until(lambda: store.batches)

    assert before == []
    assert store.batches == [[1, 2, 3]]
    await recorder.drain()


async def test_append_of_few_rows_writes_them_after_the_flush_time() -> None:
    store = RecordingStore()
    recorder = make_recorder(store, flush_s=0.01)

    append(recorder, 1)
    await until(lambda: store.batches)

    assert store.batches == [[1]]
    await recorder.drain()


async def test_drain_writes_what_waits_and_closes_the_store() -> None:
    store = RecordingStore()
    recorder = make_recorder(store)
    append(recorder, 1, 2)

    is_drained = await recorder.drain()

    assert is_drained
    assert store.batches == [[1, 2]]
    assert recorder.counters == RecorderCounters(stored=2)
    assert store.is_closed.wait(5)


async def test_drain_without_records_returns_at_once() -> None:
    assert await make_recorder(RecordingStore()).drain()


async def test_failed_flush_keeps_rows_and_order_and_tries_again() -> None:
    away = psycopg.OperationalError("connection refused")
    store = RecordingStore(away, away)
    recorder = make_recorder(store)

    append(recorder, 1, 2, 3)
    await until(lambda: recorder.counters.failed_flushes)
    append(recorder, 4)
    await recorder.drain()

    assert store.batches == [[1, 2, 3], [4]]
    assert recorder.counters == RecorderCounters(stored=4, failed_flushes=2)


async def test_append_over_the_bound_drops_and_counts() -> None:
    store = RecordingStore()
    store.is_free.clear()
    recorder = make_recorder(store)

    append(recorder, *range(1, 4))
    await until(lambda: store.asked)
    append(recorder, *range(4, 14))
    recorder.write_block()
    held = recorder.held
    store.is_free.set()
    await recorder.drain()

    assert held == 10
    assert [number for batch in store.batches for number in batch] == list(range(1, 11))
    assert recorder.counters == RecorderCounters(stored=10, dropped=3)


async def test_drain_that_is_cut_short_counts_what_is_left_as_dropped() -> None:
    store = RecordingStore(*[psycopg.OperationalError("away")] * 100_000)
    recorder = make_recorder(store)
    append(recorder, 1, 2)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await recorder.drain()

    assert recorder.counters.dropped == 2
    assert recorder.held == 0
    append(recorder, 3)
    assert recorder.counters.dropped == 3


@pytest.mark.parametrize(
    "error", [psycopg.DataError("timestamp out of range"), KeyError("a bug")]
)
async def test_one_bad_row_costs_only_itself(error: Exception) -> None:
    store = RecordingStore()
    store.bad_numbers, store.bad_error = {5}, error
    recorder = make_recorder(store, flush_rows=8)

    append(recorder, *range(1, 9))
    await recorder.drain()

    assert [n for batch in store.batches for n in batch] == [1, 2, 3, 4, 6, 7, 8]
    assert recorder.counters == RecorderCounters(stored=7, dropped=1)


async def test_long_backlog_is_written_in_batches_of_bounded_size(monkeypatch) -> None:
    monkeypatch.setattr(batch_writer, "MAX_BATCH_ROWS", 4)
    store = RecordingStore()
    recorder = make_recorder(store, flush_rows=100)

    append(recorder, *range(10))
    await recorder.drain()

    assert store.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.django_db(transaction=True)
async def test_recorder_stores_in_the_database_from_its_thread() -> None:
    await asyncio.to_thread(in_thread_of_its_own, make_series, "EURUSD", "oanda")
    recorder = make_recorder(None, flush_s=0.01)

    append(recorder, 1, 2, 3)
    await until(lambda: recorder.counters.stored == 3)
    append(recorder, 2, 3, 4)
    is_drained = await recorder.drain()

    assert is_drained
    assert recorder.counters == RecorderCounters(stored=4, duplicates=2)
    assert await asyncio.to_thread(in_thread_of_its_own, Tick.objects.count) == 4


def in_thread_of_its_own(work, *args):
    try:
        return work(*args)
    finally:
        connections.close_all()


async def test_drain_does_not_wait_for_the_next_try(monkeypatch) -> None:
    monkeypatch.setattr(batch_writer, "RETRY_MIN_S", 30.0)
    store = RecordingStore(psycopg.OperationalError("away"))
    recorder = make_recorder(store)
    append(recorder, 1, 2, 3)
    await until(lambda: recorder.counters.failed_flushes)

    async with asyncio.timeout(5):
        is_drained = await recorder.drain()

    assert is_drained
    assert store.batches == [[1, 2, 3]]


async def test_drain_tries_with_the_shortest_delay(monkeypatch) -> None:
    away = psycopg.OperationalError("away")
    monkeypatch.setattr(batch_writer, "RETRY_MIN_S", 0.001)
    monkeypatch.setattr(batch_writer, "RETRY_MAX_S", 60.0)
    store = RecordingStore(*[away] * 40)
    recorder = make_recorder(store)
    append(recorder, 1, 2, 3)
    await until(lambda: recorder.counters.failed_flushes > 3)

    async with asyncio.timeout(5):
        await recorder.drain()

    assert recorder.counters == RecorderCounters(stored=3, failed_flushes=40)


GROUP = "md.tick.oanda.EURUSD"


def held(recorder: Recorder, kind: type = records.Tick) -> list[int]:
    return [number for _, number in recorder.unstored(kind, "EURUSD")]


async def test_stored_numbers_follow_what_is_committed() -> None:
    store = RecordingStore()
    recorder = make_recorder(store)

    append(recorder, 1, 2)
    assert recorder.stored_numbers == {}
    append(recorder, 3)
    await until(lambda: recorder.stored_numbers)
    assert recorder.stored_numbers == {GROUP: 3}
    append(recorder, 4)
    await recorder.drain()

    assert recorder.stored_numbers == {GROUP: 4}


async def test_what_was_not_published_has_no_number() -> None:
    recorder = make_recorder(RecordingStore(), flush_rows=1)

    append(recorder, 3, epoch=0)
    assert recorder.unstored(records.Tick, "EURUSD") == []
    await until(lambda: recorder.counters.stored == 1)

    assert recorder.stored_numbers == {}
    await recorder.drain()


async def test_stored_numbers_are_of_the_newest_epoch() -> None:
    recorder = make_recorder(RecordingStore(), flush_rows=1)

    append(recorder, 7)
    await until(lambda: recorder.stored_numbers == {GROUP: 7})
    append(recorder, 1, epoch=200_000_001)
    await recorder.drain()

    assert recorder.stored_numbers == {GROUP: 1}


async def test_stored_numbers_do_not_pass_what_the_database_did_not_take() -> None:
    store = RecordingStore(*[psycopg.OperationalError("away")] * 3)
    recorder = make_recorder(store)

    append(recorder, 1, 2, 3)
    await until(lambda: recorder.counters.failed_flushes)
    assert recorder.stored_numbers == {}
    await recorder.drain()

    assert recorder.stored_numbers == {GROUP: 3}


async def test_unstored_is_what_waits_or_is_being_written() -> None:
    store = RecordingStore()
    store.is_free.clear()
    recorder = make_recorder(store)

    append(recorder, 1, 2, 3)
    await until(lambda: store.asked)
    append(recorder, 4)

    assert held(recorder) == [1, 2, 3, 4]
    assert held(recorder, records.Trade) == []
    assert recorder.unstored(records.Tick, "GBPUSD") == []
    store.is_free.set()
    await until(lambda: recorder.stored_numbers)
    assert held(recorder) == [4]
    await recorder.drain()
    assert held(recorder) == []


async def test_unstored_after_a_bad_row_has_the_rest(monkeypatch) -> None:
    monkeypatch.setattr(batch_writer, "MAX_BATCH_ROWS", 2)
    store = RecordingStore()
    store.bad_numbers, store.bad_error = {1}, psycopg.DataError("bad")
    recorder = make_recorder(store, flush_rows=4)

    append(recorder, 1, 2, 3, 4)
    await until(lambda: recorder.held == 0)

    assert held(recorder) == []
    assert recorder.stored_numbers == {GROUP: 4}
    await recorder.drain()


async def test_read_sees_exactly_what_is_not_unstored() -> None:
    store = RecordingStore()
    recorder = make_recorder(store, flush_rows=1, max_rows=1_000)
    expected: list[int] = []

    for number in range(1, 200):
        append(recorder, number)
        expected.append(number)
        if number % 7 == 0:
            await asyncio.sleep(0)
        if number % 20 == 0:
            seen = await recorder.read(
                lambda: [item for batch in store.batches for item in batch]
            )
            assert seen + held(recorder) == expected
    await recorder.drain()


async def test_read_raises_what_the_reading_raises() -> None:
    recorder = make_recorder(RecordingStore())

    with pytest.raises(ZeroDivisionError):
        await recorder.read(lambda: 1 / 0)
    await recorder.drain()
