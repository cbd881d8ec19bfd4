from types import SimpleNamespace

import pytest

from brokers.exceptions import InvalidFeedSetting, UnknownAdapter
from brokers.registry import adapter_names, build_feed

SETTINGS = SimpleNamespace(
    BINANCE_WS_URL="ws://127.0.0.1:1",
    BINANCE_REST_URL="http://127.0.0.1:1",
    BINANCE_TYPES=["tick"],
    BINANCE_TRADE_STREAM="trade",
    SIMULATED_RATE=5.0,
    SIMULATED_SEED=1,
    REDIS_URL="redis://127.0.0.1:1/0",
    CHANNEL_PREFIX="test",
)


@pytest.mark.parametrize("name", adapter_names())
def test_build_feed_gives_a_feed_of_the_name(name: str) -> None:
    feed = build_feed(name, SETTINGS)

    assert feed.broker == name
    assert feed.counters.received == 0


def test_build_feed_unknown_broker_names_the_known_ones() -> None:
    with pytest.raises(UnknownAdapter) as raised:
        build_feed("oanda", SETTINGS)

    assert str(raised.value) == (
        "expected one of binance, redis, simulated, found broker 'oanda'"
    )
    assert raised.value.code == "UNKNOWN_BROKER"


def test_build_feed_unusable_setting_is_refused() -> None:
    settings = SimpleNamespace(**{**vars(SETTINGS), "BINANCE_TRADE_STREAM": "all"})

    with pytest.raises(InvalidFeedSetting):
        build_feed("binance", settings)
