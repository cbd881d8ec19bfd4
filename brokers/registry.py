"""The brokers that we have a program for. A new one is a folder and a line here."""

from collections.abc import Callable
from typing import Any

from brokers.binance.feed import BinanceFeed
from brokers.binance.streams import stream_suffixes
from brokers.exceptions import UnknownAdapter
from brokers.feed import Feed
from brokers.simulated.feed import SimulatedFeed


def build_feed(name: str, settings: Any) -> Feed:
    """Return the broker's feed, not yet connected; ``settings`` are Django's.

    Raises:
        UnknownAdapter: there is no program for the broker.
        InvalidFeedSetting: a setting of the feed cannot be used.
    """
    build = _ADAPTERS.get(name)
    if build is None:
        raise UnknownAdapter(name, adapter_names())
    return build(settings)


def adapter_names() -> list[str]:
    """Return the names of the brokers that ``build_feed`` knows, sorted."""
    return sorted(_ADAPTERS)


def _binance(settings: Any) -> Feed:
    suffixes = stream_suffixes(settings.BINANCE_TYPES, settings.BINANCE_TRADE_STREAM)
    return BinanceFeed(settings.BINANCE_WS_URL, suffixes)


def _simulated(settings: Any) -> Feed:
    return SimulatedFeed(settings.SIMULATED_RATE, settings.SIMULATED_SEED)


_ADAPTERS: dict[str, Callable[[Any], Feed]] = {
    "binance": _binance,
    "simulated": _simulated,
}
