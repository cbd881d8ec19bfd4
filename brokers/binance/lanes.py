"""As many lanes as the streams need, run as one."""

import asyncio
import random
import time
from collections.abc import Callable, Iterable

import structlog

from brokers.backoff import Backoff
from brokers.binance.converters import BROKER
from brokers.binance.lane import Lane
from brokers.binance.streams import MAX_CONNECTIONS, MAX_STREAMS, share_out
from brokers.exceptions import FeedLost

# Of one lane while others go on; 16 of them stay far below 300 attempts in 5 minutes.
RETRY_MIN_S = 1.0
RETRY_MAX_S = 60.0
# A connection that lasted so long was a success.
RESET_S = 20.0

log = structlog.get_logger(__name__)


class Lanes:
    """Shares streams out among lanes that ``make`` makes; more are added as needed.

    A lane that loses its connection makes another while some other lane has one;
    ``on_lost`` is called with its streams.
    """

    def __init__(
        self,
        make: Callable[[], Lane],
        on_lost: Callable[[Iterable[str]], None] = lambda streams: None,
    ) -> None:
        self._make = make
        self._on_lost = on_lost
        self._lanes: list[Lane] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._ended = asyncio.Event()

    def follow(self, streams: Iterable[str]) -> None:
        """Follow exactly these from now on. Call it in the loop."""
        shares = share_out(streams, [lane.streams.keys() for lane in self._lanes])
        if len(shares) > MAX_CONNECTIONS:
            log.error(
                "more streams than our connections follow, the rest is left out",
                broker=BROKER,
                streams=sum(map(len, shares)),
                limit=MAX_CONNECTIONS * MAX_STREAMS,
            )
            del shares[MAX_CONNECTIONS:]
        for place, share in enumerate(shares or [{}]):
            if place < len(self._lanes):
                self._lanes[place].follow(share)
                continue
            lane = self._make()
            lane.follow(share)
            self._lanes.append(lane)
            task = asyncio.create_task(self._keep(lane))
            task.add_done_callback(lambda task: self._ended.set())
            self._tasks.append(task)

    async def run(self) -> None:
        """Run all lanes until none has a connection.

        Raises:
            FeedLost: the last connection ended, or none could be made. Never returns.
        """
        try:
            await self._ended.wait()
            for task in self._tasks:
                if task.done():
                    task.result()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, lane: Lane) -> None:
        """Run the lane, again and again while there are others."""
        backoff = Backoff(RETRY_MIN_S, RETRY_MAX_S)
        while True:
            started_s = time.monotonic()
            try:
                await lane.run()
            except FeedLost as exc:
                if not any(other.is_open for other in self._lanes):
                    raise
                if time.monotonic() - started_s >= RESET_S:
                    backoff.reset()
                delay_s = backoff.delay_after_s(exc, random.random())
                log.warning(
                    "socket lost, the others go on",
                    broker=BROKER,
                    streams=len(lane.streams),
                    error=str(exc),
                    retry_in_s=round(delay_s, 2),
                )
            self._on_lost(lane.streams)
            await asyncio.sleep(delay_s)
