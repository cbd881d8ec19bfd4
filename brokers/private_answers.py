"""What a feed process says to hubs about private feeds."""

import asyncio

import structlog
from redis.exceptions import RedisError

from marketdata.demands import ControlLayer
from marketdata.private_messages import (
    PrivateAnswer,
    PrivateHello,
    PrivateMessage,
    answer_group,
    encode_private,
    hello_group,
)

log = structlog.get_logger(__name__)


class Answers:
    """Sends in the order said. What Redis does not get is lost: hubs ask again."""

    def __init__(self, broker: str, layer: ControlLayer) -> None:
        self._broker = broker
        self._layer = layer
        self._waiting: list[tuple[str, PrivateMessage]] = []
        self._wake = asyncio.Event()

    def hello(self) -> None:
        """Say that this process has started; never blocks."""
        self._say(hello_group(self._broker), PrivateHello(self._broker))

    def answer(self, hub: str, owner: str, reason: str | None = None) -> None:
        """Say that a feed is open, or why it is not; never blocks."""
        self._say(answer_group(hub), PrivateAnswer(owner, reason))

    async def run(self) -> None:
        """Send what is said. Never returns."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._waiting = self._waiting, []
            try:
                await self._layer.group_send_many(
                    [(group, encode_private(content)) for group, content in waiting]
                )
            except (RedisError, OSError) as exc:
                log.warning("cannot answer hubs", broker=self._broker, error=str(exc))

    def _say(self, group: str, content: PrivateMessage) -> None:
        self._waiting.append((group, content))
        self._wake.set()
