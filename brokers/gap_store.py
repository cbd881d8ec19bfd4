"""Where the gaps of feeds are kept."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from channels.db import database_sync_to_async

from brokers.feed import Key
from history.feed_gaps import FeedGapRow, select_ends, store_feed_gaps
from history.record_batch import Guard


class GapStore(Protocol):
    """Where gaps are kept; both methods raise django.db.Error while it is away."""

    async def ends(self) -> Mapping[Key, int]:
        """Return until when each topic is stored, in us."""

    async def store(self, gaps: Sequence[FeedGapRow]) -> int:
        """Store the gaps, each once, and return how many are new.

        Raises:
            LeaseLost: none was stored, another process is the feed now.
        """


class FeedGapStore:
    """The gaps of one broker in the database, stored while ``guard`` lets us."""

    def __init__(self, broker: str, guard: Guard) -> None:
        self._broker = broker
        self._guard = guard

    async def ends(self) -> Mapping[Key, int]:
        """Return until when each topic is stored, in us."""
        return await database_sync_to_async(select_ends)(self._broker)

    async def store(self, gaps: Sequence[FeedGapRow]) -> int:
        """Store the gaps, each once, and return how many are new.

        Raises:
            LeaseLost: none was stored, another process is the feed now.
            django.db.Error: none was stored, or it is unknown.
        """
        store = database_sync_to_async(store_feed_gaps)
        return await store(self._broker, gaps, guard=self._guard)
