"""What the endpoints of a web process share; `config.asgi` makes one of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from history.answer_cache import AnswerCache
from history.clients import Client
from history.rate_limits import RateLimiter
from history.reader import Reader
from marketdata.metric_families import Family

# Reads metrics of the database, the same for all processes.
SharedMetrics = Callable[[Reader], Awaitable[list[Family]]]


class RestServices(msgspec.Struct):
    """Readers, limits and settings.

    ``lookups`` is for statements that look up a few rows, ``reader`` for those over a
    range of time. ``identify`` gets the peer's address, and the headers that
    tell who asks, by lower-case name. ``shared_metrics`` read what all processes share.
    """

    lookups: Reader
    reader: Reader
    limiter: RateLimiter
    identify: Callable[[str, Mapping[str, str]], Awaitable[Client]]
    allowed_origins: Sequence[str]
    cache: AnswerCache
    shared_metrics: Sequence[SharedMetrics] = ()

    async def close(self) -> None:
        """Close all connections."""
        await self.lookups.close()
        await self.reader.close()
        await self.limiter.close()
