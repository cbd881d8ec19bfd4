"""The brokers that we have a program for. A new one is a folder and a line here."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

from brokers.binance.feed import BinanceFeed
from brokers.binance.rest import BinanceRest
from brokers.binance.streams import stream_suffixes
from brokers.exceptions import UnknownAdapter
from brokers.feed import Feed
from brokers.redis.feed import RedisFeed
from brokers.redis.upstream import Upstream
from brokers.simulated.feed import SimulatedFeed
from marketdata.redis_pipe import redis_client, redis_pool


class Adapter(NamedTuple):
    """How a broker's feed is made."""

    build: Callable[[Any], Feed]


def build_feed(name: str, settings: Any) -> Feed:
    """Return the broker's feed, not yet connected; ``settings`` are Django's.

    Raises:
        UnknownAdapter: there is no program for the broker.
        InvalidFeedSetting: a setting of the feed cannot be used.
    """
    adapter = _ADAPTERS.get(name)
    if adapter is None:
        raise UnknownAdapter(name, adapter_names())
    return adapter.build(settings)


def adapter_names() -> list[str]:
    """Return the names of the brokers that ``build_feed`` knows, sorted."""
    return sorted(_ADAPTERS)


def _binance(settings: Any) -> Feed:
    suffixes = stream_suffixes(settings.BINANCE_TYPES, settings.BINANCE_TRADE_STREAM)
    address = settings.BINANCE_REST_URL
    rest = BinanceRest(address) if address else None
    return BinanceFeed(settings.BINANCE_WS_URL, suffixes, rest)


def _redis(settings: Any) -> Feed:
    prefix = settings.CHANNEL_PREFIX
    # The same after each start, so that it finds what it had registered before.
    server = f"ws-gateway-{sha256(prefix.encode()).hexdigest()[:8]}"
    client = redis_client(settings.REDIS_URL)
    upstream = Upstream(client, server, f"{prefix}:upstream-symbols")
    return RedisFeed(lambda: redis_pool(settings.REDIS_URL), upstream)


def _simulated(settings: Any) -> Feed:
    return SimulatedFeed(settings.SIMULATED_RATE, settings.SIMULATED_SEED)


_ADAPTERS = {
    "binance": Adapter(_binance),
    "redis": Adapter(_redis),
    "simulated": Adapter(_simulated),
}
