"""Where the gaps of feeds are kept, and their states."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from channels.db import database_sync_to_async

from brokers.feed import Key
from history.feed_gaps import (
    FeedGapRow,
    FilledSpan,
    close_filled_gaps,
    select_ends,
    store_feed_gaps,
)
from history.feed_states import FeedStateRow, select_live_until, store_feed_state
from history.record_batch import Guard


class GapStore(Protocol):
    """Where gaps are kept; all methods raise django.db.Error while it is away."""

    async def ends(self) -> Mapping[Key, int]:
        """Return until when each topic is stored, in us."""

    async def live_until(self) -> int | None:
        """Return until when the feed's connection was live, in us, None if unknown."""

    async def store(self, gaps: Sequence[FeedGapRow]) -> int:
        """Store the gaps, each once, and return how many are new.

        Raises:
            LeaseLost: none was stored, another process is the feed now.
        """


class FeedGapStore:
    """Gaps and state of one broker's feed in the database, while ``guard`` lets us."""

    def __init__(self, broker: str, guard: Guard) -> None:
        self._broker = broker
        self._guard = guard

    async def ends(self) -> Mapping[Key, int]:
        """Return until when each topic is stored, in us."""
        return await database_sync_to_async(select_ends)(self._broker)

    async def live_until(self) -> int | None:
        """Return until when the feed's connection was live, in us, None if unknown."""
        return await database_sync_to_async(select_live_until)(self._broker)

    async def keep_state(self, row: FeedStateRow) -> None:
        """Store the feed's state in place of the one before.

        Raises:
            LeaseLost: it was not stored, another process is the feed now.
            django.db.Error: it was not stored, or it is unknown.
        """
        store = database_sync_to_async(store_feed_state)
        await store(self._broker, row, guard=self._guard)

    async def store(self, gaps: Sequence[FeedGapRow]) -> int:
        """Store the gaps, each once, and return how many are new.

        Raises:
            LeaseLost: none was stored, another process is the feed now.
            django.db.Error: none was stored, or it is unknown.
        """
        store = database_sync_to_async(store_feed_gaps)
        return await store(self._broker, gaps, guard=self._guard)

    async def close_filled(self, spans: Sequence[FilledSpan]) -> int:
        """Forget gaps whose trades are all stored now; return how many.

        Raises:
            LeaseLost: none was forgotten, another process is the feed now.
            django.db.Error: none was forgotten, or it is unknown.
        """
        close = database_sync_to_async(close_filled_gaps)
        return await close(self._broker, spans, guard=self._guard)
