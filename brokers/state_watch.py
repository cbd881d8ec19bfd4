"""Has the states of a feed stored, so that all can see whether it is live."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import django.db
import structlog

from brokers.connection import FeedState
from brokers.exceptions import LeaseLost
from history.feed_states import FeedStateRow

# How often a state that lasts is stored again; who reads it knows by that who is dead.
KEEP_S = 5.0
STOPPED = "stopped"

log = structlog.get_logger(__name__)


class StateStore(Protocol):
    """Where the state of one feed is kept."""

    async def keep_state(self, row: FeedStateRow) -> None:
        """Store it in place of the one before.

        Raises:
            django.db.Error: it cannot be stored now.
            LeaseLost: another process is the feed now.
        """


class StateWatch:
    """The state of one feed, as often as it changes; of quick changes the last."""

    def __init__(
        self,
        store: StateStore,
        *,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:
        self._store = store
        self._now_us = now_us
        self._state = FeedState.STARTING.value
        self._since_us = now_us()
        self._live_until_us: int | None = None
        self._wake = asyncio.Event()

    def enter(self, state: FeedState) -> None:
        """Note the state of the connection; never blocks."""
        self._change(state.value)

    async def run(self) -> None:
        """Store each state, and again while it lasts. Never returns."""
        while True:
            self._wake.clear()
            await self._keep()
            try:
                async with asyncio.timeout(KEEP_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def drain(self) -> bool:
        """Store that the feed has stopped; True, for nothing waits for it."""
        self._change(STOPPED)
        await self._keep()
        return True

    def _change(self, state: str) -> None:
        now_us = self._now_us()
        self._note_live(now_us)
        self._state, self._since_us = state, now_us
        self._wake.set()

    def _note_live(self, now_us: int) -> None:
        if self._state == FeedState.LIVE.value:
            self._live_until_us = now_us

    async def _keep(self) -> None:
        now_us = self._now_us()
        self._note_live(now_us)
        row = FeedStateRow(self._state, self._since_us, now_us, self._live_until_us)
        try:
            await self._store.keep_state(row)
        except LeaseLost:
            return  # the turn is over; the lease and the recorder say so
        except django.db.Error as exc:
            log.debug("state of the feed not stored", error=str(exc).strip())
