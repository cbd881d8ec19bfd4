"""Stores live ticks and trades behind a feed: takes at once, writes in batches.

`append` puts a record into a bounded buffer and returns; a task of the same loop hands
batches to one thread, which writes each in a transaction (`record_batch`). While the
database is away records wait in the buffer; what is over its bound is dropped and
counted. Records of one batch keep their order, and batches follow each other.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, islice
from typing import Protocol, TypeVar

import django.db
import msgspec
import psycopg
import structlog

from history.exceptions import Superseded
from history.record_batch import BatchStore, Guard, Row, StoredBatch
from marketdata.records import Tick, Trade
from marketdata.topics import group_name

Found = TypeVar("Found")

# One transaction's rows after the database was away: some 100 ms each.
MAX_BATCH_ROWS = 50_000
RETRY_MIN_S = 0.5
RETRY_MAX_S = 30.0

# What no repetition cures: a value that its column cannot hold.
_BAD_VALUES = (
    django.db.DataError,
    django.db.IntegrityError,
    psycopg.DataError,
    psycopg.IntegrityError,
)

log = structlog.get_logger(__name__)


class RecorderCounters(msgspec.Struct):
    """What became of the records, in rows, and how many flushes failed.

    ``duplicates`` were stored before, ``skipped`` belong to instruments that are not
    recorded, ``dropped`` are lost: buffer full, bad values, or left at the end.
    """

    stored: int = 0
    duplicates: int = 0
    skipped: int = 0
    dropped: int = 0
    failed_flushes: int = 0


class Store(Protocol):
    """What the recorder needs of `BatchStore`; both methods block."""

    def store(self, rows: Sequence[Row]) -> StoredBatch: ...
    def close(self) -> None: ...


class Recorder:
    """Stores the ticks and trades of one event loop.

    ``stored_numbers`` says by group name up to which number the records of a topic are
    in the database, in the newest epoch; numbers that were dropped count as stored.
    ``on_superseded`` is called once when ``guard`` forbids to go on.

    Args:
        flush_s: longest time in seconds that a record waits for its batch.
        flush_rows: rows that start a flush before that.
        max_rows: rows held at most, waiting or being written.
    """

    def __init__(
        self,
        *,
        flush_s: float,
        flush_rows: int,
        max_rows: int,
        store: Store | None = None,
        guard: Guard | None = None,
    ) -> None:
        self.counters = RecorderCounters()
        self.on_superseded: Callable[[], None] = lambda: None
        self.stored_numbers: dict[str, int] = {}
        self._flush_s = flush_s
        self._flush_rows = flush_rows
        self._max_rows = max_rows
        self._store = store or BatchStore(guard)
        self._rows: list[Row] = []
        self._taken: Sequence[Row] = ()  # out of _rows, to be written in this order
        self._written = 0  # of those taken
        self._held = 0
        self._epoch = 0
        self._closing = asyncio.Event()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recorder")

    @property
    def held(self) -> int:
        """Rows that are not stored yet."""
        return self._held

    def append(self, record: Tick | Trade, epoch: int, number: int) -> None:
        """Take a record for storing under its number; never blocks.

        The first call starts the writing task in the running loop.
        """
        if self._held >= self._max_rows or self._closing.is_set():
            self.counters.dropped += 1
            return
        self._rows.append((record, epoch, number))
        self._held += 1
        if len(self._rows) == self._flush_rows:
            self._wake.set()
        if self._task is None:
            self._task = asyncio.create_task(self._write_batches(), name="recorder")

    def unstored(self, kind: type, symbol: str) -> list[tuple[Tick | Trade, int]]:
        """Return (record, number) of all that is held of a kind and symbol, in order.

        A glance over all rows: 0.1 ms for a second's 2,000.
        """
        return [
            (record, number)
            for record, _, number in chain(
                islice(self._taken, self._written, None), self._rows
            )
            if record.symbol == symbol and type(record) is kind
        ]

    async def read(self, select: Callable[[], Found]) -> Found:
        """Return what ``select`` reads in the writing thread, between two batches.

        It sees all that is stored, and nothing of what ``unstored`` gives if that is
        called right after this returned. Its errors are raised here.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, select)

    async def drain(self) -> bool:
        """Store what waits and stop; True if nothing was left.

        Waits as long as the database is away: bound it with a timeout. What is left
        then is counted as dropped.
        """
        self._closing.set()
        self._wake.set()
        try:
            if self._task:
                await self._task
        finally:
            is_drained = self._held == 0
            self.counters.dropped += self._held
            self._held = 0
            self._thread.submit(self._store.close)
            self._thread.shutdown(wait=False)
        return is_drained

    async def _write_batches(self) -> None:
        while self._rows or not self._closing.is_set():
            await self._wait_for_batch()
            rows, self._rows = self._rows, []
            self._taken, self._written = rows, 0
            for start in range(0, len(rows), MAX_BATCH_ROWS):
                try:
                    await self._write(rows[start : start + MAX_BATCH_ROWS])
                except Superseded as exc:
                    log.warning("recorder ends", error=str(exc), held=self._held)
                    self._closing.set()
                    self.on_superseded()
                    return
            self._taken, self._written = (), 0

    async def _wait_for_batch(self) -> None:
        """Return when enough rows wait, after the flush time, or at the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._flush_s):
                await self._wake.wait()
        if not self._closing.is_set():
            self._wake.clear()

    async def _write(self, rows: Sequence[Row]) -> None:
        """Store the rows, trying until the database takes them."""
        loop = asyncio.get_running_loop()
        delay_s = RETRY_MIN_S
        while True:
            try:
                done = await loop.run_in_executor(self._thread, self._store.store, rows)
            except Superseded:
                raise
            except Exception as exc:
                if not _is_curable(exc):
                    await self._write_good_rows(rows, exc)
                    return
                self.counters.failed_flushes += 1
                self._log_failure(exc)
                await self._wait_for_retry(delay_s * random.uniform(0.5, 1.0))
                delay_s = min(2 * delay_s, RETRY_MAX_S)
            else:
                self._count(done, rows)
                return

    async def _wait_for_retry(self, delay_s: float) -> None:
        """Return after the delay; soon at the end, when the time is short."""
        if self._closing.is_set():
            await asyncio.sleep(min(delay_s, RETRY_MIN_S))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._closing.wait()

    async def _write_good_rows(self, rows: Sequence[Row], exc: Exception) -> None:
        """Store halves of the rows, so that one bad row costs only itself."""
        if len(rows) > 1:
            middle = len(rows) // 2
            await self._write(rows[:middle])
            await self._write(rows[middle:])
            return
        log.error("record dropped", broker=rows[0][0].broker, error=str(exc).strip())
        self.counters.dropped += 1
        self._leave(rows)

    def _log_failure(self, exc: Exception) -> None:
        log.warning(
            "flush failed",
            error=str(exc).strip(),
            held=self._held,
            dropped=self.counters.dropped,
        )

    def _count(self, done: StoredBatch, rows: Sequence[Row]) -> None:
        self.counters.stored += done.stored
        self.counters.duplicates += done.duplicates
        self.counters.skipped += done.skipped
        epoch = rows[-1][1]  # they are in the order of `append`
        if epoch > self._epoch:
            self._epoch = epoch
            self.stored_numbers.clear()
        if epoch == self._epoch:
            for topic, number in done.numbers.items():
                self.stored_numbers[group_name(topic)] = number
        self._leave(rows)

    def _leave(self, rows: Sequence[Row]) -> None:
        """Note that the rows are held no more."""
        self._written += len(rows)
        self._held -= len(rows)


def _is_curable(exc: Exception) -> bool:
    """True if the same rows may be taken later; a bug must not stop the recorder."""
    is_of_database = isinstance(exc, django.db.Error | psycopg.Error)
    return is_of_database and not isinstance(exc, _BAD_VALUES)
