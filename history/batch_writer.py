"""Writes batches in a thread until the database takes them."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

import django.db
import psycopg
import structlog

from history.exceptions import Superseded
from history.live_rows import Row
from history.record_batch import StoredBatch
from marketdata.lag_histogram import LagHistogram

# One transaction's rows after the database was away: some 100 ms each.
MAX_BATCH_ROWS = 50_000
RETRY_MIN_S = 0.5
RETRY_MAX_S = 5.0  # one connection asks, and what is back shall be used soon

# What no repetition cures: a value that its column cannot hold.
_BAD_VALUES = (
    django.db.DataError,
    django.db.IntegrityError,
    psycopg.DataError,
    psycopg.IntegrityError,
)

# Told of rows that are done with: stored as it says, or dropped if it is None.
OnDone = Callable[[StoredBatch | None, Sequence[Row]], None]

log = structlog.get_logger(__name__)


class Store(Protocol):
    """What the writer needs of `BatchStore`; both methods block."""

    def store(self, rows: Sequence[Row]) -> StoredBatch: ...
    def close(self) -> None: ...


class BatchWriter:
    """Hands batches to the store in ``thread``; ``on_failure`` hears of each failure.

    ``lag`` is from the arrival of each batch's oldest record until it is stored.
    ``closing`` is set at the end, when time is short: delays are short from then on.
    """

    def __init__(
        self,
        store: Store,
        thread: ThreadPoolExecutor,
        closing: asyncio.Event,
        *,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self.lag = LagHistogram()
        self._store = store
        self._thread = thread
        self._closing = closing
        self._on_failure = on_failure

    async def write(self, rows: Sequence[Row], on_done: OnDone) -> None:
        """Store the rows in order, trying until the database takes them.

        Rows that it will never take are dropped.

        Raises:
            Superseded: they are not ours to store.
        """
        for start in range(0, len(rows), MAX_BATCH_ROWS):
            await self._write(rows[start : start + MAX_BATCH_ROWS], on_done)

    async def _write(self, rows: Sequence[Row], on_done: OnDone) -> None:
        loop = asyncio.get_running_loop()
        delay_s = RETRY_MIN_S
        while True:
            try:
                done = await loop.run_in_executor(self._thread, self._store.store, rows)
            except Superseded:
                raise
            except Exception as exc:
                if not _is_curable(exc):
                    await self._write_good_rows(rows, exc, on_done)
                    return
                self._on_failure(exc)
                await self._wait_for_retry(delay_s * random.uniform(0.5, 1.0))
                delay_s = min(2 * delay_s, RETRY_MAX_S)
            else:
                lag_us = time.time_ns() // 1_000 - rows[0][0].received_us
                self.lag.observe(lag_us, len(rows))
                on_done(done, rows)
                return

    async def _wait_for_retry(self, delay_s: float) -> None:
        """Return after the delay; soon at the end, when the time is short."""
        if self._closing.is_set():
            await asyncio.sleep(min(delay_s, RETRY_MIN_S))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._closing.wait()

    async def _write_good_rows(
        self, rows: Sequence[Row], exc: Exception, on_done: OnDone
    ) -> None:
        """Store halves of the rows, so that one bad row costs only itself."""
        if len(rows) > 1:
            middle = len(rows) // 2
            await self._write(rows[:middle], on_done)
            await self._write(rows[middle:], on_done)
            return
        log.error("record dropped", broker=rows[0][0].broker, error=str(exc).strip())
        on_done(None, rows)


def _is_curable(exc: Exception) -> bool:
    """True if the same rows may be taken later; a bug must not stop the recorder."""
    is_of_database = isinstance(exc, django.db.Error | psycopg.Error)
    return is_of_database and not isinstance(exc, _BAD_VALUES)
