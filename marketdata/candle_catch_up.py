"""One session and one topic of candles: those that have ended, then the open one.

A feed sends each change of the open candle, and its end; so what lacks are the candles
before the bucket in which the session joins.
"""

import asyncio
from collections.abc import Callable

from marketdata.codes import StatusCode
from marketdata.effects import Position, Resume
from marketdata.exceptions import HistoryUnavailable
from marketdata.joining import Joining
from marketdata.past import PAGE_ROWS, Past
from marketdata.resumption import Days, Partial, missing_since
from marketdata.stored_records import Span

# A candle that just ended lacks its last records until they are stored (by default
# within 1 s).
SETTLE_US = 2_000_000
_US_PER_MS = 1_000


class CandleCatchUp:
    """Sends candles that have ended, and attaches the session."""

    def __init__(
        self,
        joining: Joining,
        past: Past,
        days: Days,
        now_us: Callable[[], int],
    ) -> None:
        self._joining = joining
        self._past = past
        self._days = days
        self._now_us = now_us

    async def run(self) -> None:
        """Return once the session is attached."""
        try:
            partial = await self._send_ended()
        except HistoryUnavailable:
            partial = Partial("the store cannot be read")
        if partial is not None:
            self._tell(partial)
        self._joining.send_snapshot()
        self._joining.attach()

    async def _send_ended(self) -> Partial | None:
        """Send the candles up to the open one; return why there are none, if so."""
        since = self._joining.follow.since
        if isinstance(since, Resume):
            since = since.timestamp_ms
        instrument, topic = self._joining.instrument, self._joining.topic
        if since is None or instrument is None or topic.timeframe is None:
            return Partial("the time of the last candle is not known")
        if not instrument.is_recorded:
            return Partial("the topic is not stored")
        span = await self._past.span(topic, Position(0, self._now_us() // 1_000_000))
        if span is None:
            return Partial("nothing is stored yet")
        floor_us = topic.timeframe.floor_us
        # The first candle may have begun before the first record.
        first = Span(floor_us(span.start_us), span.end_us)
        missing, partial = missing_since(since * _US_PER_MS, first, self._days)
        if partial is not None:
            self._tell(partial)
        start_us = max(missing.start_us, since * _US_PER_MS)
        while (open_us := floor_us(self._now_us())) > start_us:
            await self._settle(open_us)
            await self._send(Span(start_us, open_us - 1))
            start_us = open_us
        return None

    async def _settle(self, open_us: int) -> None:
        """Wait until the candle before a bucket is stored."""
        wait_us = open_us + SETTLE_US - self._now_us()
        if wait_us > 0:
            await asyncio.sleep(wait_us / 1_000_000)

    async def _send(self, span: Span) -> None:
        joining = self._joining
        while True:
            page = await joining.send(
                lambda span=span: self._past.candles(  # type: ignore[misc]
                    joining.topic, joining.instrument, joining.encoding, span
                )
            )
            if len(page.places) < PAGE_ROWS:
                return
            span = Span(page.places[-1].time_us + 1, span.end_us)

    def _tell(self, partial: Partial) -> None:
        self._joining.tell(
            StatusCode.PARTIAL_HISTORY, partial.reason, from_us=partial.from_us
        )
