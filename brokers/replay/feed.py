"""Stored history as a live feed: in real time, faster, or as fast as possible.

Its records are those of a broker of its own, are marked as simulated, and are not
stored: history comes of nothing but what was live once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog

from brokers.exceptions import FeedLost
from brokers.feed import Emit, FeedCounters, FollowedInstrument
from brokers.replay.history import HistoryLines
from brokers.replay.options import BROKER, Pace, ReplayOptions
from marketdata.exceptions import HistoryUnavailable
from marketdata.records import Kind, Record
from marketdata.stored_records import StoredRecords
from marketdata.topics import Topic

# As fast as possible is 500 records every 5 ms: what Redis takes of one topic, beside
# the work for clients (publisher.MAX_PENDING_PER_TOPIC would drop more).
BATCH = 500
MIN_SLEEP_S = 0.005
MAX_SLEEP_S = 0.5  # bounds how late a change of the instruments is seen
_KINDS = (Kind.TICK, Kind.TRADE)

log = structlog.get_logger(__name__)


class ReplayFeed:
    """The history of one broker; a lost database interrupts it, and it goes on."""

    broker = BROKER
    is_simulated = True

    def __init__(
        self,
        options: ReplayOptions,
        pages: StoredRecords,
        *,
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self.counters = FeedCounters()
        self._options = options
        self._close = close
        self._lines = HistoryLines(pages, options.from_us, options.to_us)
        self._is_over = False
        self._log = log.bind(broker=BROKER)

    def follow(self, instruments: Sequence[FollowedInstrument]) -> None:
        """Deliver exactly these from now on; also while ``run`` runs. Never blocks."""
        wanted = self._options.symbols
        self._lines.set_topics(
            {
                Topic(kind, self._options.source, item.symbol)
                for item in instruments
                if not wanted or item.symbol in wanted
                for kind in (item.kinds or _KINDS)
                if kind in _KINDS
            }
        )

    async def run(self, emit: Emit) -> None:
        """Hand records to ``emit`` as they are due, then stay connected.

        Raises:
            FeedLost: the history cannot be read; the next call goes on where it was.
        """
        try:
            await self._replay(emit)
        except HistoryUnavailable as exc:
            raise FeedLost(f"the history cannot be read: {exc}") from exc
        finally:
            await self._close()

    async def _replay(self, emit: Emit) -> None:
        clock = time.monotonic
        pace = Pace(self._options, self._lines.reached_us)
        pace.begin(clock(), _now_us())
        while True:
            next_us = await self._lines.next_us()
            now_s = clock()
            wait_s = MAX_SLEEP_S
            if next_us is None:
                self._tell_end()
            else:
                pace.skip_lag(now_s, next_us)
                wait_s = pace.wait_s(now_s, next_us)
            if wait_s > 0:
                self.counters.received += 1  # shows life where history is quiet
            else:
                records = await self._lines.take(pace.due_us(now_s), BATCH)
                self.counters.received += len(records)
                emit(self._as_live(records, pace))
            await asyncio.sleep(min(max(wait_s, MIN_SLEEP_S), MAX_SLEEP_S))

    def _as_live(self, records: Sequence[Record], pace: Pace) -> list[Record]:
        now_us = _now_us()
        return [
            msgspec.structs.replace(
                record,
                broker=BROKER,
                simulated=True,
                time_us=pace.shown_us(record.time_us, now_us),
                received_us=now_us,
            )
            for record in records
        ]

    def _tell_end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._log.info("replay is over")


def _now_us() -> int:
    return time.time_ns() // 1_000
