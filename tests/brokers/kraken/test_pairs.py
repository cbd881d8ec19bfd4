import pytest

from brokers.exceptions import InvalidFeedSetting
from brokers.kraken.pairs import (
    encode_request,
    from_pair,
    split_requests,
    to_pair,
    websocket_address,
)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("BTC/USD", "XBT/USD"),
        ("BTC_USD", "XBT/USD"),
        ("BTCUSD", "XBT/USD"),
        ("btcusd", "XBT/USD"),
        ("XBT/USD", "XBT/USD"),
        ("XBT_USD", "XBT/USD"),
        ("XBTUSD", "XBT/USD"),
        ("BTCUSDT", "XBT/USDT"),
        ("ETHBTC", "ETH/XBT"),
        ("ETH/EUR", "ETH/EUR"),
        ("ETHXBT", "ETH/XBT"),
        ("DOGE_USD", "XDG/USD"),
        ("USD", "USD"),
        ("NOTHING", "NOTHING"),
    ],
)
def test_to_pair_reads_every_spelling(text: str, pair: str) -> None:
    assert to_pair(text) == pair


@pytest.mark.parametrize(
    ("pair", "symbol"),
    [("XBT/USD", "BTCUSD"), ("ETH/XBT", "ETHBTC"), ("XDG/EUR", "DOGEEUR")],
)
def test_from_pair_is_the_way_back(pair: str, symbol: str) -> None:
    assert from_pair(pair) == symbol
    assert to_pair(symbol) == pair


def test_encode_request_is_what_kraken_documents() -> None:
    assert encode_request("subscribe", ["XBT/USD", "ETH/USD"]) == (
        '{"event":"subscribe","pair":["XBT/USD","ETH/USD"],'
        '"subscription":{"name":"ticker"}}'
    )


def test_split_requests_has_at_most_100_pairs_each() -> None:
    parts = list(split_requests(f"C{n}/USD" for n in range(250)))

    assert [len(part) for part in parts] == [100, 100, 50]


def test_websocket_address_other_scheme_is_refused() -> None:
    assert websocket_address("wss://ws.kraken.com") == "wss://ws.kraken.com"
    with pytest.raises(InvalidFeedSetting, match="KRAKEN_WS_URL"):
        websocket_address("https://ws.kraken.com")
