import pytest

from marketdata.instruments import load_instruments
from marketdata.models import Broker, BrokerSymbol, Instrument

pytestmark = pytest.mark.django_db


def test_load_instruments_again_adds_nothing():
    assert load_instruments() == len(Instrument.objects.all()) > 50
    before = BrokerSymbol.objects.count()

    assert load_instruments() == 0
    assert BrokerSymbol.objects.count() == before


def test_load_instruments_leaves_a_renamed_instrument_alone():
    load_instruments()
    Instrument.objects.filter(symbol="ETHUSDT").update(symbol="ETHER")
    BrokerSymbol.objects.filter(instrument__symbol="ETHER").exclude(
        broker="binance"
    ).delete()

    assert load_instruments() == 0
    assert not Instrument.objects.filter(symbol="ETHUSDT").exists()
    spellings = BrokerSymbol.objects.filter(instrument__symbol="ETHER")
    assert list(spellings.values_list("broker", "symbol")) == [("binance", "ETHUSDT")]


def test_load_instruments_adds_what_was_removed():
    load_instruments()
    Instrument.objects.filter(symbol="ETHUSDT").delete()

    assert load_instruments() == 1
    assert BrokerSymbol.objects.filter(instrument__symbol="ETHUSDT").count() > 1


def test_load_instruments_gives_a_new_broker_what_its_model_carries():
    load_instruments()
    before = BrokerSymbol.objects.filter(broker="simulated-oanda").count()
    Broker.objects.filter(name="simulated-oanda").delete()

    assert load_instruments() == 0

    found = BrokerSymbol.objects.filter(broker="simulated-oanda")
    assert found.count() == before
    assert found.get(instrument__symbol="EURUSD").symbol == "EUR_USD"
