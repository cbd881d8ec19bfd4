"""Tells a connection what to follow, as the catalog and the hubs' demand change."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import django.db
import structlog

from brokers.connection import KeptConnection
from brokers.demand import Change
from brokers.feed import FollowedInstrument
from brokers.wanted import LastingDemand, wanted_instruments
from marketdata.exceptions import MarketDataError

LoadInstruments = Callable[[], Awaitable[Sequence[FollowedInstrument]]]

log = structlog.get_logger(__name__)


class Following:
    """What one feed follows: the recorded instruments, and the others on demand."""

    def __init__(
        self,
        connection: KeptConnection,
        load: LoadInstruments,
        *,
        refresh_s: float,
        grace_s: float,
    ) -> None:
        self._connection = connection
        self._load = load
        self._refresh_s = refresh_s
        self._demand = LastingDemand(grace_s)
        self._carried: Sequence[FollowedInstrument] | None = None
        self._recorded: frozenset[str] = frozenset()

    def is_recorded(self, symbol: str) -> bool:
        """Return whether the symbol's ticks and trades are to be stored."""
        return symbol in self._recorded

    def demand(self, change: Change) -> None:
        """Follow at once what hubs follow newly, leave what they left after a while."""
        self._demand.take(change, time.monotonic())
        if change.removed:
            # A little later than the end: a timer may be early by its resolution.
            wait_s = self._demand.grace_s + 0.01
            asyncio.get_running_loop().call_later(wait_s, self._follow)
        self._follow()

    async def run(self) -> None:
        """Load the catalog at intervals. Never returns."""
        while True:
            try:
                carried = await self._load()
            except (django.db.Error, MarketDataError) as exc:  # what we follow stays
                log.warning("cannot load instruments", error=str(exc))
            else:
                self._carried = carried
                self._recorded = frozenset(
                    item.symbol for item in carried if item.is_recorded
                )
                self._follow()
            await asyncio.sleep(self._refresh_s)

    def _follow(self) -> None:
        if self._carried is not None:
            kinds = self._demand.kinds(time.monotonic())
            self._connection.follow(wanted_instruments(self._carried, kinds))
