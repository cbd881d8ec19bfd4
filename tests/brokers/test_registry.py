from types import SimpleNamespace

import pytest

from brokers.exceptions import InvalidFeedSetting, UnknownAdapter
from brokers.registry import adapter_names, build_feed

SETTINGS = SimpleNamespace(
    BINANCE_WS_URL="ws://127.0.0.1:1",
    BINANCE_REST_URL="http://127.0.0.1:1",
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
    SIMULATED_FAULTS="",
    REPLAY_BROKER="dukascopy",
    REPLAY_SYMBOLS=["eur/usd"],
    REPLAY_FROM="2024-01-02",
    REPLAY_TO="2024-01-03",
    REPLAY_SPEED="max",
    REPLAY_TIMES="now",
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
        build_feed("bitstamp", SETTINGS)

    known = ", ".join(adapter_names())
    assert str(raised.value) == f"expected one of {known}, found broker 'bitstamp'"
    assert raised.value.code == "UNKNOWN_BROKER"


@pytest.mark.parametrize(
    ("broker", "setting", "value"),
    [
        ("binance", "BINANCE_TRADE_STREAM", "all"),
        ("simulated-oanda", "SIMULATED_FAULTS", "rain=1"),
        ("replay", "REPLAY_FROM", ""),
        ("replay", "REPLAY_TO", "2023-01-01"),
        ("replay", "REPLAY_SPEED", "-1"),
        ("replay", "REPLAY_TIMES", "yesterday"),
        ("replay", "REPLAY_BROKER", "replay"),
    ],
)
def test_build_feed_unusable_setting_is_refused(
    broker: str, setting: str, value: str
) -> None:
    settings = SimpleNamespace(**{**vars(SETTINGS), setting: value})

    with pytest.raises(InvalidFeedSetting, match=setting):
        build_feed(broker, settings)
