"""Epochs of a feed that needs no database: Redis remembers the last one."""

from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from marketdata.numbering import next_epoch
from marketdata.redis_pipe import close_pool

_CLAIM = """
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
local epoch = math.max(last + 1, tonumber(ARGV[1]))
redis.call('SET', KEYS[1], epoch)
return epoch
"""

log = structlog.get_logger(__name__)


async def claim_epoch_on_redis(client: Redis, key: str, now_s: float) -> int:
    """Return an epoch higher than any that was claimed under the key.

    While Redis is away it is the clock's alone, which is higher than all before unless
    two starts were within a second.
    """
    by_clock = next_epoch(0, now_s)
    try:
        answer: Any = client.eval(_CLAIM, 1, key, str(by_clock))
        return int(await answer)
    except (RedisError, OSError) as exc:
        log.warning("epoch not claimed, clock used", error=str(exc))
        return by_clock
    finally:
        await close_pool(client.connection_pool)
