"""Has gaps stored, however long the database is away, or by the next process."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import django.db
import structlog

from brokers.exceptions import LeaseLost
from brokers.gap_file import GapFile
from brokers.gap_store import GapStore
from history.feed_gaps import FeedGapRow
from history.lost_rows import LostSpans

LOOK_S = 1.0
PAUSE_S = 0.1
MAX_WAITING = 10_000  # the oldest go first

log = structlog.get_logger(__name__)


class GapKeeper:
    """Stores the gaps of one feed, and what its recorder lost, from ``lost``.

    What waits is in ``file``, too. ``on_superseded`` is called when gaps are another
    process's to store.
    """

    def __init__(
        self,
        broker: str,
        store: GapStore,
        *,
        lost: LostSpans | None = None,
        file: GapFile | None = None,
    ) -> None:
        self.on_superseded: Callable[[], None] = lambda: None
        self._store = store
        self._lost = LostSpans() if lost is None else lost
        self._file = file
        self._waiting: deque[FeedGapRow] = deque(maxlen=MAX_WAITING)
        self._has_new = asyncio.Event()
        self._log = log.bind(broker=broker)

    async def take_over(self) -> None:
        """Have stored what earlier processes could not store."""
        if self._file is None:
            return
        left = await asyncio.to_thread(self._file.read_left)
        if left:
            self._log.info("gaps of dead processes are to be stored", gaps=len(left))
            self._waiting.extend(left)
            self._has_new.set()

    def keep(self, row: FeedGapRow) -> None:
        """Have a gap stored; never blocks."""
        self._waiting.append(row)
        self._has_new.set()

    async def run(self) -> None:
        """Store what comes. Never returns."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._has_new.wait()
            self._has_new.clear()
            await self._keep()
            # All topics' gaps end within moments: a few statements store them.
            await asyncio.sleep(PAUSE_S)

    async def drain(self) -> bool:
        """Store what waits; False if something could not be stored."""
        await self._keep()
        return not self._waiting and not self._lost

    async def _keep(self) -> None:
        lost = self._lost.take()
        rows = [*self._waiting, *lost]
        try:
            if rows and await self._store_or_not(rows):
                lost = []
                self._forget(rows)
                await self._write(list(self._waiting))
        finally:
            self._lost.extend(lost)

    async def _store_or_not(self, rows: list[FeedGapRow]) -> bool:
        """Store gaps and return whether they are done with; they are in the file."""
        await self._write(rows)
        try:
            stored = await self._store.store(rows)
        except django.db.DataError as exc:
            self._log.error("gaps cannot be stored", error=str(exc).strip())
        except LeaseLost as exc:
            self._log.error("gaps are not ours to store", error=str(exc))
            self.on_superseded()
        except django.db.Error as exc:
            self._log.warning("gaps not stored yet", error=str(exc).strip())
            return False
        else:
            self._log.info("gaps stored", gaps=stored)
        return True

    async def _write(self, rows: list[FeedGapRow]) -> None:
        if self._file is not None:
            await asyncio.to_thread(self._file.write, rows)
            await asyncio.to_thread(self._file.forget_left)

    def _forget(self, done: list[FeedGapRow]) -> None:
        """Take out what was done; more may have come behind it meanwhile."""
        for item in done:
            if self._waiting and self._waiting[0] is item:
                self._waiting.popleft()
