"""As many lanes as the streams need, run as one."""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from brokers.binance.converters import BROKER
from brokers.binance.lane import Lane
from brokers.binance.streams import MAX_CONNECTIONS, MAX_STREAMS, share_out

log = structlog.get_logger(__name__)


class Lanes:
    """Shares streams out among lanes that ``make`` makes; more are added as needed."""

    def __init__(self, make: Callable[[], Lane]) -> None:
        self._make = make
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
            task = asyncio.create_task(lane.run())
            task.add_done_callback(lambda task: self._ended.set())
            self._tasks.append(task)

    async def run(self) -> None:
        """Run all lanes until one ends.

        Raises:
            FeedLost: a lane's connection ended or could not be made. Never returns.
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
