"""A broker that invents its prices: for trying things out, and as a load source."""

import asyncio
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from brokers.exceptions import FeedLost
from brokers.feed import Emit, FeedCounters, FollowedInstrument
from brokers.simulated.faults import FaultOptions, Faults
from brokers.simulated.prices import BROKER, PriceWalk
from marketdata.records import Record

# Ticks that fall due within one wake-up are emitted together: 20,000 a second are then
# 100 at a time. More often costs the loop more than the ticks do.
MIN_SLEEP_S = 0.005
MAX_SLEEP_S = 0.5  # bounds how late a change of the instruments is seen
# What a process that was stopped this long still makes up for; the rest never happened.
MAX_BEHIND_S = 1.0
# Event times come from a steady clock, so that ticks are evenly spaced; when the
# system's clock was set, or the machine slept, they follow it.
MAX_DRIFT_US = 100_000


class Walk(Protocol):
    """The prices of one instrument."""

    def step(self, time_us: int, received_us: int) -> list[Record]:
        """Return the next tick, and what else there is at this moment."""


# Of a symbol, its decimals, and uniform random numbers in [0, 1).
StartWalk = Callable[[str, int, Callable[[], float]], Walk]


class SimulatedFeed:
    """Walks each instrument at ``rate`` ticks a second; a seed repeats its prices."""

    is_simulated = True

    def __init__(
        self,
        rate: float,
        seed: int,
        *,
        broker: str = BROKER,
        start_walk: StartWalk = PriceWalk,
        faults: FaultOptions = FaultOptions(),  # noqa: B008 - frozen
    ) -> None:
        self.broker = broker
        self.counters = FeedCounters()
        self.faults = Faults(faults, Random(f"{seed}:faults").random)
        self._rate = rate
        self._seed = seed
        self._start = start_walk
        self._walks: dict[str, Walk] = {}
        self._walks_changed = asyncio.Event()

    def follow(self, instruments: Sequence[FollowedInstrument]) -> None:
        """Deliver exactly these from now on; also while ``run`` runs. Never blocks."""
        self._walks = {
            item.symbol: self._walks.get(item.symbol) or self._start_walk(item)
            for item in instruments
        }
        self._walks_changed.set()

    async def run(self, emit: Emit) -> None:
        """Hand records to ``emit`` for ever.

        Raises:
            FeedLost: a fault ended the connection.
        """
        connected_s = time.monotonic()
        while True:
            self._walks_changed.clear()
            if self._walks and self._rate > 0:
                await self._walk(emit, connected_s)
            else:
                await self._walks_changed.wait()

    def _start_walk(self, item: FollowedInstrument) -> Walk:
        # A text seeds through SHA-512, the same in every process.
        random = Random(f"{self._seed}:{item.symbol}").random
        return self._start(item.symbol, item.decimals, random)

    async def _walk(self, emit: Emit, connected_s: float) -> None:
        """Emit what is due until the instruments change, or a fault ends it.

        Step k, in turn over the instruments, is due at start + k periods: sleeping too
        long makes a larger batch, not a slower clock.
        """
        clock = time.monotonic  # uvloop's own counts whole milliseconds
        period_s = 1 / (self._rate * len(self._walks))
        walks = list(self._walks.values())
        start, start_us, done = clock(), _now_us(), 0
        while not self._walks_changed.is_set():
            now, now_us = clock(), _now_us()
            start += max(0.0, now - MAX_BEHIND_S - (start + done * period_s))
            drift_us = now_us - start_us - int((now - start) * 1e6)
            if abs(drift_us) > MAX_DRIFT_US:
                start_us += drift_us
            due = int((now - start) / period_s) + 1
            records: list[Record] = []
            for step in range(done, due):
                time_us = start_us + int(step * period_s * 1e6)
                walk = walks[step % len(walks)]
                records += walk.step(time_us, max(now_us, time_us))
            come = self.faults.apply(records, now)
            if come:
                emit(come)
                self.counters.received += len(come)
            done = due
            if self.faults.ends(now - connected_s):
                raise FeedLost("a fault ended the connection")
            wait_s = start + done * period_s - clock()
            await asyncio.sleep(min(max(wait_s, MIN_SLEEP_S), MAX_SLEEP_S))


def _now_us() -> int:
    return time.time_ns() // 1_000
