"""Log lines of things that many clients do at once, at most so many a second."""

import asyncio
import time
from collections import Counter
from typing import Any

from structlog.typing import FilteringBoundLogger

from marketdata.request_limits import TokenBucket

MAX_PER_S = 20
REST_AFTER_S = 1.0


class LimitedLog:
    """Logs events, of each kind at most 20 a second, and then how many more there were.

    Belongs to one event loop.
    """

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._buckets: dict[str, TokenBucket] = {}
        self._left_out: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def info(self, event: str, **facts: Any) -> None:
        """Log a line, or count it; ``event`` is one of few."""
        bucket = self._buckets.get(event)
        if bucket is None:
            bucket = self._buckets[event] = TokenBucket(MAX_PER_S, MAX_PER_S)
        if bucket.take(time.monotonic()):
            self._log.info(event, **facts)
            return
        self._left_out[event] += 1
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(REST_AFTER_S, self._tell_rest)

    def _tell_rest(self) -> None:
        self._timer = None
        for event, count in self._left_out.items():
            self._log.info(event, more=count)
        self._left_out.clear()
