"""When a batch is due: by the number of its rows, or by the age of the oldest."""

import asyncio
from contextlib import suppress


class FlushTimer:
    """Counts rows; ``closing`` is set at the end, when nothing is worth waiting for."""

    def __init__(self, flush_s: float, flush_rows: int) -> None:
        self.closing = asyncio.Event()
        self._flush_s = flush_s
        self._flush_rows = flush_rows
        self._rows = 0
        self._wake = asyncio.Event()

    def count(self, rows: int) -> None:
        """Note rows that came since the last batch."""
        self._rows += rows
        if self._rows >= self._flush_rows:
            self._wake.set()

    async def wait(self) -> None:
        """Return when enough rows have come, after the flush time, or at the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._flush_s):
                await self._wake.wait()
        self._rows = 0
        if not self.closing.is_set():
            self._wake.clear()

    def close(self) -> None:
        """Let nobody wait any more."""
        self.closing.set()
        self._wake.set()
