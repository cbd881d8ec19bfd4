"""Which groups this process is in: what is wanted, made true by one task, retried."""

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog

from marketdata.layers import Listener

RETRY_MIN_S = 0.1
RETRY_MAX_S = 0.5

log = structlog.get_logger(__name__)


def _pass() -> None:
    """Do nothing."""


class GroupLayer(Protocol):
    """What is needed of a channel layer; see `MarketDataChannelLayer`."""

    async def listen(self, group: str, listener: Listener) -> None:
        """Call the listener with each message of the group."""

    async def stop_listening(self, group: str) -> None:
        """Forget the group's listener."""

    def defer(self, callback: Callable[[], None]) -> None:
        """Call it behind all messages of the read that calls listeners now, or soon."""

    def reconnects(self) -> int:
        """Return how often subscriptions were made again after a loss."""


class Membership:
    """Joins and leaves groups in the order asked, however long Redis is away.

    One task does both, so that a late leave can never undo a newer join.
    """

    def __init__(self, layer: GroupLayer) -> None:
        self._layer = layer
        self._wanted: dict[str, Listener] = {}
        self._joined: dict[str, Listener] = {}
        self._confirmed: dict[str, asyncio.Event] = {}
        self._on_joined: dict[str, Callable[[], None]] = {}
        self._changed = asyncio.Event()
        self._is_away = False
        self._task: asyncio.Task[None] | None = None

    def join(
        self, group: str, listener: Listener, *, on_joined: Callable[[], None] = _pass
    ) -> None:
        """Want the group's messages for the listener; returns at once.

        ``on_joined`` is called once messages that are sent from then on will come.
        """
        self._wanted[group] = listener
        self._confirmed[group] = asyncio.Event()
        self._on_joined[group] = on_joined
        self._start()

    def leave(self, group: str) -> None:
        """Want no more messages of the group; returns at once."""
        self._wanted.pop(group, None)
        self._confirmed.pop(group, None)
        self._on_joined.pop(group, None)
        self._start()

    async def wait_for(self, groups: Iterable[str], *, timeout_s: float) -> bool:
        """Return True once all are joined, False if that takes too long."""
        missing = [
            event.wait()
            for group in groups
            if not (event := self._confirmed[group]).is_set()
        ]
        if not missing:
            return True
        try:
            await asyncio.wait_for(asyncio.gather(*missing), timeout_s)
        except TimeoutError:
            return False
        return True

    def reconnects(self) -> int:
        """Return how often the layer lost Redis and joined again by itself."""
        return self._layer.reconnects()

    async def close(self) -> None:
        """Stop, and leave what was joined as far as Redis can be reached."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._wanted.clear()
        await self._apply()

    def _start(self) -> None:
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="hub membership")

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            delay_s = RETRY_MIN_S
            while not await self._apply():
                await asyncio.sleep(delay_s * random.uniform(0.5, 1.5))
                delay_s = min(2 * delay_s, RETRY_MAX_S)

    async def _apply(self) -> bool:
        """Do what differs from what is wanted; False if some of it failed."""
        changes = [
            self._join(group, listener)
            for group, listener in self._wanted.items()
            if self._joined.get(group) is not listener
        ]
        changes += [self._leave(group) for group in self._joined.keys() - self._wanted]
        results = await asyncio.gather(*changes, return_exceptions=True)
        failures = [item for item in results if isinstance(item, Exception)]
        if failures and not self._is_away:
            log.warning(
                "cannot join or leave groups",
                failures=len(failures),
                error=repr(failures[0]),
            )
        self._is_away = bool(failures)
        return not failures

    async def _join(self, group: str, listener: Listener) -> None:
        await self._layer.listen(group, listener)
        self._joined[group] = listener
        if self._wanted.get(group) is listener:
            self._confirmed[group].set()
            self._on_joined[group]()

    async def _leave(self, group: str) -> None:
        await self._layer.stop_listening(group)
        del self._joined[group]
