"""The plans of the admin, as a process knows them: read now and then, never waited for.

A plan is used as it was last read, up to 30 s ago, while the next reading is under way;
without a database for as long as that is away.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping

import structlog

from marketdata.clients import Plan

KEPT_S = 30.0
RETRY_S = 5.0  # after a failure, and for a plan that is not known
FIRST_TIMEOUT_S = 5.0  # clients wait so long for the first reading, then have defaults

log = structlog.get_logger(__name__)


class PlanTable:
    """All plans by name.

    Args:
        select: blocks, and is called in a thread; returns None where there is no
            database at all.
    """

    def __init__(self, select: Callable[[], Mapping[str, Plan] | None]) -> None:
        self._select = select
        self.plans: Mapping[str, Plan] = {}
        # Whether a plan that is not among them is known not to exist.
        self.is_complete = False
        self.has_loaded = False
        self._read_at_s = -KEPT_S
        self._due_s = 0.0
        self._task: asyncio.Task[None] | None = None

    def refresh_if_due(self) -> None:
        """Begin to read them again if they are old; call it in an event loop."""
        if time.monotonic() >= self._due_s:
            self._refresh()

    async def ready(self) -> None:
        """Wait for the first reading, however that ended; at once after it."""
        if not self.has_loaded:
            await self._wait()
        self.refresh_if_due()

    async def find(self, name: str) -> Plan | None:
        """Return the plan; one that is not known is looked for again every 5 s."""
        await self.ready()
        if name not in self.plans and time.monotonic() - self._read_at_s > RETRY_S:
            await self._wait()
        return self.plans.get(name)

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_TIMEOUT_S):
                await asyncio.shield(self._refresh())
        self.has_loaded = True

    def _refresh(self) -> "asyncio.Task[None]":
        loop = asyncio.get_running_loop()
        task = self._task
        if task is None or task.done() or task.get_loop() is not loop:
            task = self._task = loop.create_task(self._read(), name="plans")
        return task

    async def _read(self) -> None:
        try:
            plans = await asyncio.to_thread(self._select)
        except Exception as exc:  # whatever it was, the old ones go on
            log.warning("cannot read the plans", error=type(exc).__name__)
            self.is_complete = False
            self._due_s = time.monotonic() + RETRY_S
            return
        self.plans = plans or {}
        self.is_complete = plans is not None
        self._read_at_s = time.monotonic()
        self._due_s = self._read_at_s + KEPT_S
