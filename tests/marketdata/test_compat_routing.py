"""COMPAT checks 14 and 15: symbols in any spelling, brokers in any case, routing.

With the instruments that we ship, as a unified session answers.
"""

import json

import pytest

from brokers.instruments import followed_instruments
from marketdata.catalog import Broker, Catalog
from marketdata.clients import Client
from marketdata.dialects import Opening
from marketdata.effects import Join, Send
from marketdata.instruments import bundled_brokers, bundled_instruments
from marketdata.sessions.unified import UnifiedSession
from tests.marketdata.samples import NOW_US
from tests.marketdata.test_unified_session import FACTS

ALL = ("binance", "kraken", "oanda", "simulated", "simulated-binance")


def catalog(*enabled):
    brokers = [
        Broker(name, name in enabled, is_simulated)
        for name, is_simulated in bundled_brokers().items()
    ]
    return Catalog(bundled_instruments(), brokers)


def subscribe(*symbols, enabled=ALL, **fields):
    """Return (broker, symbol) of what was accepted, and codes of what was not."""
    session = UnifiedSession(FACTS, Opening("/", {}, Client()))
    request = {"action": "subscribe", "symbols": symbols, **fields}
    (effect,) = session.receive(
        json.dumps(request), catalog=catalog(*enabled), now_us=NOW_US
    )
    if isinstance(effect, Send):
        return [], [item["code"] for item in json.loads(effect.frame)["rejected"]]
    assert isinstance(effect, Join)
    reply = json.loads(effect.reply(dict.fromkeys(effect.topics)))
    accepted = [(item["broker"], item["symbol"]) for item in reply["accepted"]]
    return accepted, [item["code"] for item in reply["rejected"]]


@pytest.mark.parametrize("broker", ["Binance", "BINANCE", "binance"])
def test_compat_check_14_broker_in_any_case(broker):
    assert subscribe("BTC/USDT", broker=broker) == ([("binance", "BTC/USDT")], [])


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("EURUSD", ("oanda", "EUR/USD")),
        ("EUR_USD", ("oanda", "EUR/USD")),
        ("EUR/USD", ("oanda", "EUR/USD")),
        ("eur-usd", ("oanda", "EUR/USD")),
        ("BTCUSDT", ("binance", "BTC/USDT")),
        ("BTC/USDT", ("binance", "BTC/USDT")),
        ("btcusdt", ("binance", "BTC/USDT")),
        ("XBT/USDT", ("binance", "BTC/USDT")),
        ("ETHUSDT", ("binance", "ETH/USDT")),
        ("XRPUSDT", ("binance", "XRP/USDT")),
        ("ETHXBT", ("binance", "ETH/BTC")),
        ("BTC/USD", ("kraken", "BTC/USD")),
        ("BTC_USD", ("kraken", "BTC/USD")),
        ("BTCUSD", ("kraken", "BTC/USD")),
        ("XBT/USD", ("kraken", "BTC/USD")),
        ("XBT_USD", ("kraken", "BTC/USD")),
    ],
)
def test_compat_check_15_symbol_in_any_spelling_without_broker(spelling, expected):
    assert subscribe(spelling) == ([expected], [])


def test_compat_check_15_oanda_is_asked_for_its_own_spelling():
    followed = followed_instruments(catalog(*ALL), "oanda")

    assert [item.broker_symbol for item in followed if item.symbol == "EURUSD"] == [
        "EUR_USD"
    ]


def test_compat_check_15_unknown_symbol_is_an_error_and_never_a_mock():
    assert subscribe("FOO/BAR") == ([], ["UNKNOWN_SYMBOL"])
    assert subscribe("FOO/BAR", "EUR/USD") == (
        [("oanda", "EUR/USD")],
        ["UNKNOWN_SYMBOL"],
    )


@pytest.mark.parametrize(
    "enabled",
    [("binance", "kraken", "simulated"), ("binance", "simulated-oanda"), ()],
)
def test_compat_check_15_without_oanda_forex_has_no_broker(enabled):
    assert subscribe("EUR/USD", enabled=enabled) == ([], ["NO_BROKER"])


def test_compat_check_15_named_broker_without_the_instrument_is_an_error():
    assert subscribe("EUR/USD", broker="binance") == ([], ["NO_BROKER"])
    assert subscribe("EUR/USD", broker="bitstamp") == ([], ["UNKNOWN_BROKER"])


def test_compat_check_15_simulated_serves_alone_or_by_its_name():
    assert subscribe("EUR/USD", enabled=("simulated",))[0] == [("simulated", "EUR/USD")]
    assert subscribe("EUR/USD", broker="Simulated")[0] == [("simulated", "EUR/USD")]
