"""Stores what dead processes left in the journal, with the numbers it had."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from history.batch_writer import BatchWriter
from history.journal import Journal
from history.journal_left import LeftJournal
from history.journal_segments import Segment
from history.live_rows import Row
from history.lost_rows import LostSpans
from history.record_batch import StoredBatch
from history.recorder_counters import RecorderCounters
from history.segment_reading import read_segment

log = structlog.get_logger(__name__)


class JournalReplay:
    """One look for what was left; files are read in ``thread``."""

    def __init__(
        self, journal: Journal, thread: ThreadPoolExecutor, writer: BatchWriter
    ) -> None:
        self._journal = journal
        self._thread = thread
        self._writer = writer

    async def run(self, counters: RecorderCounters, lost: LostSpans) -> None:
        """Store all of it, oldest first; what is stored is deleted.

        Rows that the dead process had committed are counted as duplicates. ``lost``
        gets the spans of what is damaged.

        Raises:
            Superseded: they are not ours to store; what was not stored stays.
        """
        loop = asyncio.get_running_loop()
        every = await loop.run_in_executor(self._thread, self._find)
        try:
            for left in every:
                for segment in left.segments:
                    await self._store(segment, counters, lost)
                log.info(
                    "journal of a dead process stored",
                    broker=left.folder.name,
                    epoch=left.epoch,
                    replayed=counters.replayed,
                )
        finally:
            for left in every:
                left.release()

    def _find(self) -> list[LeftJournal]:
        try:
            return self._journal.find_left()
        except OSError as exc:
            log.warning("journal cannot be looked through", error=str(exc))
            return []

    async def _store(
        self, segment: Segment, counters: RecorderCounters, lost: LostSpans
    ) -> None:
        def note_done(done: StoredBatch | None, rows: Sequence[Row]) -> None:
            counters.add(done, len(rows))
            counters.replayed += len(rows)
            if done is None:
                lost.add(rows)

        loop = asyncio.get_running_loop()
        try:
            rows, holes = await loop.run_in_executor(
                self._thread, read_segment, segment
            )
        except OSError as exc:
            log.error("journal cannot be read", error=str(exc))
            return
        lost.extend(holes)
        await self._writer.write(rows, note_done)
        await loop.run_in_executor(self._thread, self._journal.delete, segment)
