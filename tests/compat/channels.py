"""The other side of Redis: publishes as the engines behind servers B and C do."""

import asyncio
import contextlib
import json
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError


class Channels:
    """A plain client of Redis."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url)

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.aclose()

    async def publish(self, channel: str, payload: object) -> bytes:
        """Publish a text, or anything else as JSON; return the payload."""
        is_text = isinstance(payload, str | bytes)
        text: Any = payload if is_text else json.dumps(payload)
        await self._redis.publish(channel, text)
        return text if isinstance(text, bytes) else text.encode()

    async def until_followed(
        self, channel: str, *, count: int = 1, timeout_s: float = 60.0
    ) -> None:
        """Wait until this many connections are subscribed to just this channel."""
        found = None
        try:
            async with asyncio.timeout(timeout_s):
                while found != count:
                    with contextlib.suppress(RedisError):  # it may be away
                        ((_, found),) = await self._redis.pubsub_numsub(channel)
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"{found} subscribers of {channel}") from None
