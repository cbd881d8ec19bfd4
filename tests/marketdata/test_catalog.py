import msgspec
import pytest

from marketdata.catalog import Broker, Catalog, Instrument, InstrumentType
from marketdata.exceptions import InvalidSymbol, NoBroker, UnknownBroker, UnknownSymbol
from tests.marketdata.samples import BTCUSDT, EURUSD, catalog


@pytest.mark.parametrize("text", ["BTC/USDT", "btcusdt", "BTC_USDT", "XBT/USDT"])
def test_find_by_any_spelling_also_a_brokers(text):
    assert catalog().find(text) is BTCUSDT


def test_find_unknown_symbol_raises():
    with pytest.raises(UnknownSymbol, match="no instrument has the symbol 'FOO'"):
        catalog().find("FOO")


def test_find_no_symbol_at_all_raises():
    with pytest.raises(InvalidSymbol):
        catalog().find("a b")


@pytest.mark.parametrize(
    ("instrument", "enabled", "broker"),
    [
        (EURUSD, ("oanda", "binance"), "oanda"),
        (EURUSD, ("dukascopy",), "dukascopy"),
        (EURUSD, ("oanda", "simulated"), "oanda"),
        (EURUSD, ("simulated",), "simulated"),
        (BTCUSDT, ("kraken", "binance"), "binance"),
        (BTCUSDT, ("kraken",), "kraken"),
    ],
)
def test_route_without_name_prefers_the_types_broker(instrument, enabled, broker):
    assert catalog(*enabled).route(instrument).name == broker


@pytest.mark.parametrize(
    ("instrument", "enabled"),
    [
        (EURUSD, ()),
        (EURUSD, ("binance",)),
        (EURUSD, ("binance", "simulated")),
        (BTCUSDT, ("oanda", "simulated")),
    ],
)
def test_route_without_name_never_takes_another_or_a_simulated_one(instrument, enabled):
    with pytest.raises(NoBroker):
        catalog(*enabled).route(instrument)


@pytest.mark.parametrize("name", ["kraken", "Kraken", "KRAKEN"])
def test_route_by_name_in_any_case(name):
    assert catalog("binance", "kraken").route(BTCUSDT, name).name == "kraken"


def test_route_without_name_beside_a_broker_without_instruments_is_the_simulated_one():
    brokers = [Broker("redis", True), Broker("simulated", True, is_simulated=True)]

    assert Catalog([EURUSD], brokers).route(EURUSD).name == "simulated"


def test_route_by_name_of_a_simulated_broker():
    assert catalog("binance", "simulated").route(BTCUSDT, "simulated").is_simulated


@pytest.mark.parametrize("name", ["oanda", "kraken"])
def test_route_by_name_of_a_broker_without_it_or_disabled_raises(name):
    with pytest.raises(NoBroker, match="no enabled broker carries BTC/USDT"):
        catalog("oanda").route(BTCUSDT, name)


def test_route_by_unknown_name_raises_and_tells_the_known():
    with pytest.raises(
        UnknownBroker,
        match="expected one of binance, dukascopy, kraken, oanda, simulated, "
        "found broker 'zzz'",
    ):
        catalog().route(BTCUSDT, "zzz")


def test_route_of_the_instruments_own_broker_comes_first():
    own = Instrument(
        symbol="ETHUSDT",
        display="ETH/USDT",
        type=InstrumentType.CRYPTO,
        decimals=2,
        brokers={"binance": "ethusdt", "kraken": "ETH/USDT"},
        broker="kraken",
    )
    both = Catalog([own], [Broker("binance", True), Broker("kraken", True)])

    assert both.route(own).name == "kraken"


@pytest.mark.parametrize("spelling", ["EUR USD", "EUR:USD", "...", "E" * 21])
def test_catalog_leaves_out_spellings_that_cannot_be_symbols(spelling):
    brokers = {"oanda": spelling, "dukascopy": "EUR-USD"}
    odd = msgspec.structs.replace(EURUSD, symbol="FOO", brokers=brokers)

    found = Catalog([odd, BTCUSDT], [Broker("oanda", True)])

    assert found.unusable == {spelling}
    assert found.find("EUR/USD") is odd
    assert found.find("XBT/USDT") is BTCUSDT
