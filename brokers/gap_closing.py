"""Has gaps of trades forgotten once all that was missed is stored."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Protocol

import django.db
import structlog

from brokers.exceptions import LeaseLost
from history.feed_gaps import FilledSpan

LOOK_S = 2.0
# What was fetched is stored by then: the recorder tries again every 30 s at least.
LOOKS = 60
MAX_SPANS = 10_000

log = structlog.get_logger(__name__)


class FilledStore(Protocol):
    """Where the gaps of one feed are kept."""

    async def close_filled(self, spans: list[FilledSpan]) -> int:
        """Forget gaps whose trades are all stored now; return how many.

        Raises:
            django.db.Error: it cannot be asked now.
            LeaseLost: another process is the feed now.
        """


class GapCloser:
    """Looks for a while behind each fetch whether its gap is one still."""

    def __init__(self, broker: str, store: FilledStore) -> None:
        self._broker = broker
        self._store = store
        self._spans: deque[FilledSpan] = deque(maxlen=MAX_SPANS)
        self._looks_left = 0
        self._has_spans = asyncio.Event()

    def fill(self, symbol: str, from_us: int, to_us: int) -> None:
        """Note that trades between two times are on their way into the store."""
        self._spans.append(FilledSpan(symbol, from_us, to_us))
        self._looks_left = LOOKS
        self._has_spans.set()

    async def run(self) -> None:
        """Look, every now and then. Never returns."""
        while True:
            await self._has_spans.wait()
            await asyncio.sleep(LOOK_S)
            with suppress(django.db.Error, LeaseLost):
                closed = await self._store.close_filled(list(self._spans))
                self._looks_left -= 1
                if closed:
                    log.info("gaps filled", broker=self._broker, gaps=closed)
            if not self._looks_left:
                self._spans.clear()
                self._has_spans.clear()
