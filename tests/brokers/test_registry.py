from types import SimpleNamespace

import pytest

from brokers.exceptions import InvalidFeedSetting, UnknownAdapter
from brokers.registry import adapter_names, build_feed

SETTINGS = SimpleNamespace(
    BINANCE_WS_URL="ws://127.0.0.1:1",
    BINANCE_TYPES=["tick"],
    BINANCE_TRADE_STREAM="trade",
    KRAKEN_WS_URL="ws://127.0.0.1:1",
    OANDA_URL="http://127.0.0.1:1",
    OANDA_ENVIRONMENT="",
    OANDA_API_KEY="",
    OANDA_ACCOUNT_ID="",
    OANDA_SILENCE_S=12.0,
    OANDA_MAX_STREAMS=20,
    OANDA_CONNECTS_PER_S=2.0,
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
        build_feed("nobody", SETTINGS)

    assert str(raised.value) == (
        "expected one of binance, kraken, oanda, redis, simulated, "
        "found broker 'nobody'"
    )
    assert raised.value.code == "UNKNOWN_BROKER"


def test_build_feed_unusable_setting_is_refused() -> None:
    settings = SimpleNamespace(**{**vars(SETTINGS), "BINANCE_TRADE_STREAM": "all"})

    with pytest.raises(InvalidFeedSetting):
        build_feed("binance", settings)
