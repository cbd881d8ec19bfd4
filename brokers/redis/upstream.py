"""Tells C's upstream manager which symbols are wanted (COMPAT.md C-18).

The set `ws:symbols:AAPL` holds the ids of the servers that want AAPL; the manager of
the provider's socket is told on `finnhub:control` when a symbol gets its first server
and when it loses the last.
"""

import asyncio
import random
import time
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from marketdata.redis_pipe import close_pool

CONTROL_CHANNEL = "finnhub:control"
LIFE_S = 86_400  # of a set that nobody renews
RENEW_S = 3_600.0
# What an earlier process of ours had registered stays so long for hubs to repeat what
# they follow, which they do every 10 s.
ADOPTED_S = 30.0
RETRY_MIN_S = 0.1
RETRY_MAX_S = 2.0

# Sets and messages change together, so that two servers' cannot cross.
_REGISTER = """
local added = redis.call('SADD', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('SADD', KEYS[2], ARGV[3])
if added == 1 then redis.call('PUBLISH', ARGV[4], ARGV[5]) end
"""
_UNREGISTER = """
local removed = redis.call('SREM', KEYS[1], ARGV[1])
redis.call('SREM', KEYS[2], ARGV[3])
if removed == 1 and redis.call('SCARD', KEYS[1]) == 0 then
    redis.call('PUBLISH', ARGV[4], ARGV[5])
end
"""

log = structlog.get_logger(__name__)


class Upstream:
    """Keeps this server's symbols registered; ``server`` is its id there.

    Which they are is also kept in the set ``own_key``: a process that follows one that
    was killed takes them over.
    """

    def __init__(self, client: Redis, server: str, own_key: str) -> None:
        self._client = client
        self._server = server
        self._own_key = own_key
        self._wanted: dict[str, None] = {}
        self._registered: set[str] = set()
        self._adopted: dict[str, float] = {}  # until when each may be asked for
        self._changed = asyncio.Event()

    def want(self, symbol: str) -> None:
        """Have the symbol registered; returns at once."""
        self._wanted[symbol] = None
        self._changed.set()

    def drop(self, symbol: str) -> None:
        """Have it removed again; returns at once."""
        self._wanted.pop(symbol, None)
        self._changed.set()

    async def run(self) -> None:
        """Register and remove as wanted, however long Redis is away. Never returns."""
        delay_s = RETRY_MIN_S
        is_adopted = False
        renewed_s = time.monotonic()
        try:
            while True:
                self._changed.clear()
                if time.monotonic() - renewed_s >= RENEW_S:
                    self._registered -= self._wanted.keys()
                    renewed_s = time.monotonic()
                try:
                    if not is_adopted:
                        await self._adopt()
                        is_adopted = True
                    await self._apply()
                except (RedisError, OSError) as exc:
                    if delay_s == RETRY_MIN_S:
                        log.warning("symbols cannot be registered", error=str(exc))
                    is_adopted = False
                    await asyncio.sleep(delay_s * random.uniform(0.5, 1.5))
                    delay_s = min(2 * delay_s, RETRY_MAX_S)
                else:
                    delay_s = RETRY_MIN_S
                    await self._wait(1.0 if self._adopted else RENEW_S / 10)
        finally:
            await close_pool(self._client.connection_pool)

    async def _wait(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _adopt(self) -> None:
        """Take over what Redis says is registered; register again what is wanted.

        A Redis that came back may have forgotten.
        """
        until_s = time.monotonic() + ADOPTED_S
        members: Any = self._client.smembers(self._own_key)
        self._adopted = dict.fromkeys(
            [symbol.decode() for symbol in await members], until_s
        )
        self._registered.clear()

    async def _apply(self) -> None:
        for symbol in [item for item in self._wanted if item not in self._registered]:
            await self._tell(_REGISTER, "subscribe", symbol)
            self._registered.add(symbol)
            self._adopted.pop(symbol, None)
        now_s = time.monotonic()
        late = {item for item, until_s in self._adopted.items() if until_s <= now_s}
        for symbol in (self._registered | late) - self._wanted.keys():
            await self._tell(_UNREGISTER, "unsubscribe", symbol)
            self._registered.discard(symbol)
            self._adopted.pop(symbol, None)

    async def _tell(self, script: str, action: str, symbol: str) -> None:
        command = {
            "action": action,
            "symbol": symbol,
            "serverId": self._server,
            "timestamp": time.time_ns() // 1_000_000,
        }
        answer: Any = self._client.eval(
            script,
            2,
            f"ws:symbols:{symbol}",
            self._own_key,
            self._server,
            str(LIFE_S),
            symbol,
            CONTROL_CHANNEL,
            msgspec.json.encode(command).decode(),
        )
        await answer
