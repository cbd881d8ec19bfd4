"""The brokers that we have a program for. A new one is a folder and a line here."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

from django.utils.module_loading import import_string

from brokers.binance.feed import BinanceFeed
from brokers.binance.rest import BinanceRest
from brokers.binance.streams import stream_suffixes
from brokers.exceptions import UnknownAdapter
from brokers.feed import Feed
from brokers.kraken.feed import KrakenFeed
from brokers.redis.feed import RedisFeed
from brokers.redis.upstream import Upstream
from brokers.replay.feed import ReplayFeed
from brokers.replay.options import parse_replay
from brokers.simulated.faults import parse_faults
from brokers.simulated.feed import SimulatedFeed
from brokers.simulated.mocks import (
    BINANCE_PERIOD_S,
    OANDA_PERIOD_S,
    BinanceMock,
    OandaMock,
)
from history.live_pages import LivePages
from history.reader import Plans, Reader
from marketdata.broker_credentials import Credentials
from marketdata.redis_pipe import redis_client, redis_pool


class Adapter(NamedTuple):
    """How a broker's feed is made.

    ``build_private`` makes one with a client's credentials, None if there is no such
    thing; it may raise InvalidCredentials. ``credential_fields`` name what an account
    consists of.
    """

    build: Callable[[Any], Feed]
    build_private: Callable[[Any, Credentials], Feed] | None = None
    credential_fields: tuple[str, ...] = ()


def build_feed(
    name: str, settings: Any, credentials: Credentials | None = None
) -> Feed:
    """Return the broker's feed, not yet connected; ``settings`` are Django's.

    ``credentials`` of a stored account take the place of those of the settings.

    Raises:
        UnknownAdapter: there is no program for the broker.
        InvalidFeedSetting: a setting of the feed cannot be used.
        InvalidCredentials: the account lacks a field.
    """
    adapter = adapter_of(name)
    if credentials is not None and adapter.build_private is not None:
        return adapter.build_private(settings, credentials)
    return adapter.build(settings)


def adapter_of(name: str) -> Adapter:
    """Return how the broker's feeds are made.

    Raises:
        UnknownAdapter: there is no program for the broker.
    """
    adapter = _ADAPTERS.get(name)
    if adapter is None:
        raise UnknownAdapter(name, adapter_names())
    return adapter


def private_names() -> list[str]:
    """Return the names of the brokers that have private feeds, sorted."""
    return sorted(name for name, item in _ADAPTERS.items() if item.build_private)


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


def _replay(settings: Any) -> Feed:
    options = parse_replay(
        settings.REPLAY_BROKER,
        settings.REPLAY_SYMBOLS,
        (settings.REPLAY_FROM, settings.REPLAY_TO),
        settings.REPLAY_SPEED,
        settings.REPLAY_TIMES,
    )
    reader = Reader(max_connections=1, timeout_s=5.0, plans=Plans.OF_EACH)
    pages = LivePages(reader, max_queries=1)
    return ReplayFeed(options, pages, close=reader.close)


# Imported when it is built: no other feed needs aiohttp, a tenth of a start.
def _oanda(settings: Any) -> Feed:
    feed: Feed = import_string("brokers.oanda.feed.global_feed")(settings)
    return feed


def _private_oanda(settings: Any, credentials: Credentials) -> Feed:
    build = import_string("brokers.oanda.feed.private_feed")
    feed: Feed = build(settings, credentials.reveal())
    return feed


def _simulated(settings: Any) -> Feed:
    return SimulatedFeed(
        settings.SIMULATED_RATE,
        settings.SIMULATED_SEED,
        faults=parse_faults(settings.SIMULATED_FAULTS),
    )


def _mock(mock: type[BinanceMock | OandaMock], period_s: float) -> Adapter:
    def build(settings: Any) -> Feed:
        return SimulatedFeed(
            1 / period_s,
            settings.SIMULATED_SEED,
            broker=mock.broker,
            start_walk=mock,
            faults=parse_faults(settings.SIMULATED_FAULTS),
        )

    return Adapter(build)


_ADAPTERS = {
    "binance": Adapter(_binance),
    "kraken": Adapter(lambda settings: KrakenFeed(settings.KRAKEN_WS_URL)),
    "oanda": Adapter(_oanda, _private_oanda, ("apiKey", "accountId")),
    "redis": Adapter(_redis),
    "replay": Adapter(_replay),
    "simulated": Adapter(_simulated),
    "simulated-binance": _mock(BinanceMock, BINANCE_PERIOD_S),
    "simulated-oanda": _mock(OandaMock, OANDA_PERIOD_S),
}
