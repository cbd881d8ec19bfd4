"""Looks things up in the database for many clients at once, and remembers them.

After a restart thousands of clients come back within seconds. Those that ask while a
look-up is under way wait for the next one together, so that there is one thread and one
statement at a time, however many they are.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import structlog

from marketdata.ttl_cache import TtlCache

T = TypeVar("T")

FOUND_KEPT_S = 30.0
MISSING_KEPT_S = 5.0
MAX_KEPT = 20_000  # some 300 bytes each
MAX_BATCH = 500
MAX_WAITING = 20_000
# So long nobody asks again after a failure: each try may take the time-out.
PAUSE_S = 1.0
TIMEOUT_S = 5.0

log = structlog.get_logger(__name__)


class LookupUnavailable(Exception):
    """Raised when something cannot be looked up now."""


class Lookups(Generic[T]):
    """Finds values by key.

    Args:
        select: blocks, and returns what there is of at most 500 keys; called in a
            thread. Whatever it raises means that nothing can be looked up now.
    """

    def __init__(self, select: Callable[[Sequence[str]], Mapping[str, T]]) -> None:
        self._select = select
        self._found: TtlCache[T] = TtlCache(kept_s=FOUND_KEPT_S, max_items=MAX_KEPT)
        # Apart, so that inventing keys drives no good ones out.
        self._missing: TtlCache[bool] = TtlCache(
            kept_s=MISSING_KEPT_S, max_items=MAX_KEPT
        )
        self._waiting: dict[str, asyncio.Future[T | None]] = {}
        self._under_way: dict[str, asyncio.Future[T | None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._paused_until_s = 0.0

    async def find(self, key: str) -> T | None:
        """Return the value, None if there is none; either may be some seconds old.

        Raises:
            LookupUnavailable: the database is away or slow, or too many are waiting.
        """
        now_s = time.monotonic()
        kept = self._found.get(key, now_s)
        if kept is not None or self._missing.get(key, now_s):
            return kept
        try:
            async with asyncio.timeout(TIMEOUT_S):
                # Others may wait for the same.
                return await asyncio.shield(self._join(key, now_s))
        except TimeoutError as exc:
            raise LookupUnavailable from exc

    def _join(self, key: str, now_s: float) -> "asyncio.Future[T | None]":
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.get_loop() is not loop:
            # A loop that is gone does not answer those that waited in it.
            self._waiting, self._under_way, self._task = {}, {}, None
        future = self._under_way.get(key) or self._waiting.get(key)
        if future is not None:
            return future
        if now_s < self._paused_until_s or len(self._waiting) >= MAX_WAITING:
            raise LookupUnavailable
        future = self._waiting[key] = loop.create_future()
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run(), name="lookups")
        return future

    async def _run(self) -> None:
        while self._waiting:
            batch = dict(list(self._waiting.items())[:MAX_BATCH])
            for key in batch:
                del self._waiting[key]
            self._under_way = batch
            try:
                found = await asyncio.to_thread(self._select, list(batch))
            except Exception as exc:
                self._fail(exc)
                return
            self._answer(found)

    def _answer(self, found: Mapping[str, T]) -> None:
        now_s = time.monotonic()
        batch, self._under_way = self._under_way, {}
        for key, future in batch.items():
            value = found.get(key)
            if value is None:
                self._missing.put(key, True, now_s)
            else:
                self._found.put(key, value, now_s)
            if not future.done():
                future.set_result(value)

    def _fail(self, cause: Exception) -> None:
        self._paused_until_s = time.monotonic() + PAUSE_S
        # No more of it: the text of a database error quotes the statement.
        log.warning("cannot look up who clients are", error=type(cause).__name__)
        futures = [*self._under_way.values(), *self._waiting.values()]
        self._under_way, self._waiting = {}, {}
        for future in futures:
            if not future.done():
                error = LookupUnavailable()
                error.__cause__ = cause
                future.set_exception(error)
                future.exception()  # whoever waited may have left: nobody logs it then
