"""Stores live ticks and trades behind a feed: takes at once, writes in batches.

`append` takes a record and returns. The records of one turn of the loop become a block
of the journal before anything of them is published (`write_block`); a task of the same
loop hands batches to one thread, which writes each in a transaction (`record_batch`).
While the database is away, what does not fit into memory waits in the journal alone.
Records are stored in the order in which they came, behind what dead processes left.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import structlog

from history.backlog import Backlog
from history.batch_writer import BatchWriter, Store
from history.exceptions import Superseded
from history.flush_timer import FlushTimer
from history.journal import Journal
from history.journal_replay import JournalReplay
from history.journal_segments import Segment
from history.left_store import LeftStore
from history.live_rows import Row
from history.lost_rows import LostSpans
from history.record_batch import BatchStore, Guard, StoredBatch
from history.recorder_counters import RecorderCounters
from history.segment_reading import read_or_lose
from history.stored_numbers import StoredNumbers
from marketdata.records import Tick, Trade

Found = TypeVar("Found")

# A feed does not wait longer for what dead ones left: its own records count, too.
REPLAY_WAIT_S = 10.0
# How often it is looked for more of that: a process that is stopping leaves it late.
LOOK_AGAIN_S = 60.0

log = structlog.get_logger(__name__)


class Recorder:
    """Stores the ticks and trades of one event loop.

    ``stored_numbers`` says by group name up to which number the records of a topic are
    in the database, in the newest epoch; numbers that were dropped count as stored.
    ``lost`` has the spans of what was dropped, but for what is left at the end.
    ``on_superseded`` is called once if the guard forbids to go on; the journal stays.

    Args:
        flush_s: longest time in seconds that a record waits for its batch.
        flush_rows: rows that start a flush before that.
        max_rows: rows held in memory at most, waiting or being written.
    """

    def __init__(
        self,
        *,
        flush_s: float,
        flush_rows: int,
        max_rows: int,
        store: Store | None = None,
        journal: Journal | None = None,
        guard: Guard | None = None,
    ) -> None:
        self.counters = RecorderCounters()
        self.lost = LostSpans()
        self.stored_numbers = StoredNumbers()
        self.on_superseded: Callable[[], None] = lambda: None
        self._timer = FlushTimer(flush_s, flush_rows)
        self._store = store or BatchStore(guard)
        self._journal = journal
        self._block: list[Row] = []  # of this turn of the loop
        self._backlog = Backlog(max_rows, journal)
        self._looked_s = 0.0
        self._is_superseded = False
        self._is_settled = asyncio.Event()  # replayed, or the database is away
        self._is_replayed = journal is None
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._writer = self._make_writer(self._store)
        self._left_writer = self._make_writer(store or LeftStore(self._store))
        self.lag = self._writer.lag

    @property
    def held(self) -> int:
        """Rows that are not stored yet."""
        return self._backlog.held + len(self._block)

    @property
    def is_behind(self) -> bool:
        """Whether rows wait on disk, where ``unstored`` does not look."""
        return self._backlog.is_on_disk or not self._is_replayed

    def append(self, record: Tick | Trade, epoch: int, number: int) -> None:
        """Take a record for storing under its number; never blocks.

        Call ``write_block`` before it is published; without that it is in the journal
        after this turn of the loop.
        """
        if self._timer.closing.is_set() or self._is_superseded:
            self.counters.dropped += 1
            return
        if not self._block:
            self._start()
            asyncio.get_running_loop().call_soon(self.write_block)
        self._block.append((record, epoch, number))

    def write_block(self) -> None:
        """Write to the journal what was appended since the last call."""
        rows, self._block = self._block, []
        if rows:
            self.counters.dropped += (lost := self._backlog.add(rows))
            self.lost.add(rows[len(rows) - lost :])
            self._timer.count(len(rows))

    def unstored(self, kind: type, symbol: str) -> list[tuple[Tick | Trade, int]]:
        """Return (record, number) of all that memory holds of a kind and symbol.

        In order, and all that is not stored unless ``is_behind``, but for what was not
        published. A glance over all rows: 0.1 ms for a second's 2,000.
        """
        self.write_block()
        return [
            (record, number)
            for record, epoch, number in self._backlog.in_memory()
            if record.symbol == symbol and type(record) is kind and epoch
        ]

    async def read(self, select: Callable[[], Found]) -> Found:
        """Return what ``select`` reads in the writing thread, between two batches.

        It sees all that is stored, and nothing of what ``unstored`` gives if that is
        called right after this returned. Its errors are raised here.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, select)

    async def replay(self) -> bool:
        """Store what dead processes left in the journal; False if that goes on behind.

        So it does if the database is away, or it takes longer than ``REPLAY_WAIT_S``.
        Until it is done nothing of ours is stored.
        """
        if self._journal is not None:
            self._start()
            with suppress(TimeoutError):
                async with asyncio.timeout(REPLAY_WAIT_S):
                    await self._is_settled.wait()
        return self._is_replayed

    async def drain(self) -> bool:
        """Store what waits and stop; True if nothing was left.

        Waits as long as the database is away: bound it with a timeout. What is left
        then stays in the journal; without one it is counted as dropped.
        """
        self.write_block()
        self._timer.close()
        try:
            if self._task:
                await self._task
        finally:
            held = self._end()
        return held == 0

    def _end(self) -> int:
        """Give everything back; return how many rows are left."""
        held, self._backlog = self.held, Backlog(0)
        if self._journal is None:
            self.counters.dropped += held
        else:
            self._journal.close()
            if held:
                log.warning("records are left in the journal", rows=held)
        self._thread.submit(self._store.close)
        self._thread.shutdown(wait=False)
        return held

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._store_all(), name="recorder")

    async def _store_all(self) -> None:
        try:
            await self._replay_left()
            while self._backlog.held or self._block or not self._timer.closing.is_set():
                if not self._backlog.is_on_disk:
                    await self._timer.wait()
                await self._store_next()
                if time.monotonic() - self._looked_s >= LOOK_AGAIN_S:
                    await self._replay_left()
        except Superseded as exc:
            log.error("records are not ours to store", error=str(exc), held=self.held)
            self._is_superseded = True
            self._is_settled.set()
            self.on_superseded()

    async def _store_next(self) -> None:
        """Store the oldest rows: those in memory, or a segment of the journal."""
        self.write_block()
        chunk = self._backlog.take()
        if isinstance(chunk, Segment):
            await self._store_segment(chunk)
        elif chunk is not None:
            await self._writer.write(chunk, self._note_done)

    async def _store_segment(self, segment: Segment) -> None:
        rows, holes = await self.read(lambda: read_or_lose(segment))
        self.lost.extend(holes)
        await self._writer.write(rows, self._note_done)
        lost = segment.rows - len(rows)  # to damage, which the log names
        self.counters.dropped += lost
        self._leave(lost)

    def _note_done(self, done: StoredBatch | None, rows: Sequence[Row]) -> None:
        self.counters.add(done, len(rows))
        if done is None:
            self.lost.add(rows)
        else:
            epoch = max(row[1] for row in rows)  # 0: trades fetched behind the feed
            self.stored_numbers.note(epoch, done.numbers)
        self._leave(len(rows))

    def _leave(self, rows: int) -> None:
        for segment in self._backlog.leave(rows):
            assert self._journal is not None
            self._thread.submit(self._journal.delete, segment)

    async def _replay_left(self) -> None:
        self._looked_s = time.monotonic()
        if self._journal is not None:
            replay = JournalReplay(self._journal, self._thread, self._left_writer)
            await replay.run(self.counters, self.lost)
            self._is_replayed = True
        self._is_settled.set()

    def _make_writer(self, store: Store) -> BatchWriter:
        return BatchWriter(
            store, self._thread, self._timer.closing, on_failure=self._note_failure
        )

    def _note_failure(self, exc: Exception) -> None:
        self.counters.failed_flushes += 1
        self._is_settled.set()
        facts = {"held": self.held, "dropped": self.counters.dropped}
        log.warning("flush failed", error=str(exc).strip(), **facts)
