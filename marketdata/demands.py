"""Tells feeds what this process follows, and asks them where topics are.

What changed in a turn of the loop goes out in one message per broker; everything is
repeated, because a feed forgets hubs that it does not hear of.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import structlog
from redis.exceptions import RedisError

from marketdata.layer_messages import Demand, demand_group, encode_message
from marketdata.topics import Topic

REPEAT_S = 10.0
_RETRY_S = 0.5

log = structlog.get_logger(__name__)


class ControlLayer(Protocol):
    """What is needed of the layer that carries control messages."""

    async def group_send_many(
        self, messages: Sequence[tuple[str, dict[str, Any]]]
    ) -> None:
        """Send all messages in order; raise RedisError or OSError on failure."""


class Demands:
    """Sends the demands of one hub.

    ``followed`` returns all topics that the hub follows, by broker; ``on_repeat`` is
    called before each repetition and may ask.
    """

    def __init__(
        self,
        layer: ControlLayer,
        hub: str,
        followed: Callable[[], Mapping[str, Sequence[Topic]]],
        on_repeat: Callable[[], None],
    ) -> None:
        self._layer = layer
        self._hub = hub
        self._followed = followed
        self._on_repeat = on_repeat
        self._changed: dict[str, dict[Topic, None]] = {}  # what to ask, by broker
        self._wake = asyncio.Event()
        self._is_away = False
        self._task: asyncio.Task[None] | None = None

    def change(self, broker: str) -> None:
        """Tell the broker's feed what is followed now."""
        self._changed.setdefault(broker, {})
        self._start()

    def ask(self, topic: Topic) -> None:
        """Ask the feed where the topic is; its group must have been joined."""
        self._changed.setdefault(topic.source, {})[topic] = None
        self._start()

    async def close(self) -> None:
        """Send nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _start(self) -> None:
        self._wake.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="hub demands")

    async def _run(self) -> None:
        while True:
            try:
                # wait_for loses a cancellation that comes with the event.
                async with asyncio.timeout(REPEAT_S):
                    await self._wake.wait()
            except TimeoutError:
                self._on_repeat()
                for broker in self._followed():
                    self._changed.setdefault(broker, {})
            self._wake.clear()
            if not await self._send():
                await asyncio.sleep(_RETRY_S)
                self._wake.set()

    async def _send(self) -> bool:
        """Send what changed; False if that failed, then it is kept."""
        changed, self._changed = self._changed, {}
        followed = self._followed()
        messages = [
            (
                demand_group(broker),
                encode_message(
                    Demand(self._hub, followed.get(broker, ()), tuple(asked))
                ),
            )
            for broker, asked in changed.items()
        ]
        try:
            await self._layer.group_send_many(messages)
        except (RedisError, OSError) as exc:
            if not self._is_away:
                log.warning("cannot send demands", error=str(exc))
            self._is_away = True
            for broker, asked in changed.items():
                self._changed[broker] = asked | self._changed.get(broker, {})
            return False
        self._is_away = False
        return True
