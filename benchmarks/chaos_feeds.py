"""The chaos' feed process, and one that stands by."""

import signal
from contextlib import AbstractAsyncContextManager

from tests.brokers.processes import Managed, manage
from tests.marketdata.polling import until

START_TIMEOUT_S = 60.0


class Feeds:
    """Both processes; ``log`` is of those that ended."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.log = ""
        self._environment = environment
        self._running: list[tuple[AbstractAsyncContextManager[Managed], Managed]] = []

    async def start(self) -> None:
        """Start the one, and the other once the first has the lease."""
        await self._start()
        await until(self._has_begun, timeout_s=START_TIMEOUT_S)
        await self._start()

    async def kill(self) -> None:
        """SIGKILL the active one, and start one that stands by for the other."""
        await self._end(signal.SIGKILL)
        await self._start()

    async def stop(self) -> list[int]:
        """SIGTERM; return the exit codes."""
        return [await self._end(signal.SIGTERM) for _ in range(len(self._running))]

    def _has_begun(self) -> bool:
        return "feed follows" in self._running[0][1].log

    async def _start(self) -> None:
        context = manage("run_feed", "binance", **self._environment)
        self._running.append((context, await context.__aenter__()))

    async def _end(self, number: int) -> int:
        context, feed = self._running.pop(0)
        code = await feed.stop(number)
        self.log += feed.log
        await context.__aexit__(None, None, None)
        return code
