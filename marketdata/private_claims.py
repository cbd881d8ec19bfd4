"""One session's private feeds: at most one of each broker, for as long as it lives."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from marketdata.effects import Effect, OpenFeed
from marketdata.exceptions import BrokerAuthFailed
from marketdata.private_feeds import PrivateFeeds

log = structlog.get_logger(__name__)


class PrivateClaims:
    """Opens feeds beside whatever else the session does, one after the other.

    ``perform`` does what a session wants done about an answer.
    """

    def __init__(
        self,
        feeds: PrivateFeeds,
        perform: Callable[[Iterable[Effect]], Awaitable[None]],
    ) -> None:
        self._feeds = feeds
        self._perform = perform
        self._owners: dict[str, str] = {}  # by broker
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    def open(self, effect: OpenFeed) -> None:
        """Open a feed and answer when that is decided; never blocks."""
        task = asyncio.create_task(self._open(effect), name="private feed")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Use none of the feeds any more; harmless if that was done."""
        for task in self._tasks:
            task.cancel()
        for owner in self._owners.values():
            self._feeds.release(owner)
        self._owners.clear()

    async def _open(self, effect: OpenFeed) -> None:
        async with self._turn:
            result: str | BrokerAuthFailed
            try:
                result = await self._feeds.open(effect.broker, effect.credentials)
            except BrokerAuthFailed as exc:
                result = exc
            except Exception as exc:  # no traceback: its text may hold anything
                log.error("private feed failed", error=type(exc).__name__)
                result = BrokerAuthFailed("Authentication failed: internal error")
            before = None
            if isinstance(result, str):
                before = self._owners.pop(effect.broker, None)
                self._owners[effect.broker] = result
            try:
                # The session leaves the topics of the feed that is replaced.
                await self._perform(effect.answer(result))
            finally:
                if before is not None:
                    self._feeds.release(before)
