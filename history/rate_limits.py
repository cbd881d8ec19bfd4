"""Requests per client and minute, counted in Redis for all web processes together."""

import asyncio
import math
import time

import msgspec
import redis.asyncio
import structlog

from history.clients import Client
from marketdata.redis_pipe import redis_client

WINDOW_S = 60
# Redis answers in 0.1 ms; a request waits no longer for one that hangs.
TIMEOUT_S = 0.5
# So long nothing is counted after Redis failed: it would cost each request a timeout.
PAUSE_S = 1.0

# The window begins with the client's first request, and ends with its key.
_COUNT = """
local count = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
    left = tonumber(ARGV[1])
    redis.call('PEXPIRE', KEYS[1], left)
end
return {count, left}
"""

log = structlog.get_logger(__name__)


class Usage(msgspec.Struct, frozen=True):
    """What a client has used of its limit; ``reset_s`` is when the next minute begins.

    A limit of 0 is none.
    """

    limit: int = 0
    count: int = 0
    reset_s: int = 0

    @property
    def is_exceeded(self) -> bool:
        """True if this request is one too many."""
        return self.limit > 0 and self.count > self.limit

    def headers(self) -> dict[str, str]:
        """Return what the answer says of it; nothing where there is no limit."""
        if not self.limit:
            return {}
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(0, self.limit - self.count)),
            "RateLimit-Reset": str(self.reset_s),
            "RateLimit-Policy": f"{self.limit};w={WINDOW_S}",
        }


UNLIMITED = Usage()


class RateLimiter:
    """Counts requests; belongs to the event loop of its first use.

    Without Redis nobody is refused: prices that can be read are worth more than a
    limit, and the proxy in front has one of its own.
    """

    def __init__(self, redis_url: str, prefix: str) -> None:
        self._url = redis_url
        self._prefix = f"{prefix}:rest:"
        self._redis: redis.asyncio.Redis | None = None
        self._paused_until = 0.0

    async def count(self, client: Client) -> Usage:
        """Count one request and return the client's usage with it, in one trip."""
        if not client.requests_per_min or time.monotonic() < self._paused_until:
            return UNLIMITED
        try:
            async with asyncio.timeout(TIMEOUT_S):
                count, left_ms = await self._script(
                    keys=[self._prefix + client.key], args=[WINDOW_S * 1000]
                )
        except (redis.RedisError, OSError) as exc:
            self._paused_until = time.monotonic() + PAUSE_S
            log.warning("requests are not counted", error=type(exc).__name__)
            return UNLIMITED
        return Usage(client.requests_per_min, count, math.ceil(left_ms / 1000))

    async def close(self) -> None:
        """Close the connection; the next request makes a new one."""
        if self._redis is not None:
            await self._redis.aclose()
            self._redis = None

    @property
    def _script(self) -> "redis.commands.core.AsyncScript":
        if self._redis is None:
            self._redis = redis_client(self._url)
            self._registered = self._redis.register_script(_COUNT)
        return self._registered
