import django.db
import pytest
import structlog

from marketdata import catalog_store
from marketdata.catalog import Broker, Instrument, InstrumentType
from marketdata.catalog_store import load_catalog
from marketdata.instruments import load_instruments
from marketdata.models import BrokerSymbol as BrokerSymbolRow
from marketdata.models import Instrument as InstrumentRow

AWAY = django.db.OperationalError("the database is away")


@pytest.mark.django_db
def test_load_catalog_has_instruments_with_each_brokers_spelling(settings):
    settings.BROKERS_ENABLED = ["binance"]
    load_instruments()
    InstrumentRow.objects.filter(symbol="BTCUSDT").update(
        broker="binance", record=False
    )

    loaded = load_catalog()

    found = loaded.find("btc/usdt")
    assert found == Instrument(
        symbol="BTCUSDT",
        display="BTC/USDT",
        type=InstrumentType.CRYPTO,
        decimals=2,
        brokers=found.brokers,
        broker="binance",
        is_recorded=False,
    )
    assert found.brokers["binance"] == "BTCUSDT"
    assert loaded.brokers["binance"] == Broker("binance", is_enabled=True)
    assert loaded.brokers["simulated"] == Broker(
        "simulated", is_enabled=False, is_simulated=True
    )


@pytest.mark.django_db
def test_load_catalog_takes_three_queries_however_many_instruments(
    django_assert_num_queries,
):
    load_instruments()

    with django_assert_num_queries(3):
        load_catalog()


@pytest.mark.django_db
def test_load_catalog_knows_a_broker_that_is_only_enabled(settings):
    settings.BROKERS_ENABLED = ["redis"]

    assert load_catalog().brokers["redis"] == Broker("redis", is_enabled=True)


def test_load_catalog_without_database_is_the_bundled_one(settings):
    settings.DATABASE_URL = ""
    settings.BROKERS_ENABLED = ["binance"]

    loaded = load_catalog()

    found = loaded.find("BTC/USDT")
    assert (found.decimals, found.is_recorded) == (2, False)
    assert loaded.route(found).name == "binance"


@pytest.mark.django_db
def test_load_catalog_logs_an_unusable_spelling_once():
    load_instruments()
    BrokerSymbolRow.objects.filter(broker="binance", symbol="BTCUSDT").update(
        symbol="BTC USDT"
    )

    with structlog.testing.capture_logs() as logs:
        loaded = [load_catalog(), load_catalog()]

    assert [item.find("BTCUSDT").brokers["binance"] for item in loaded] == [
        "BTC USDT",
        "BTC USDT",
    ]
    assert [(item["event"], item["spellings"]) for item in logs] == [
        ("spellings that no client can use", ["BTC USDT"])
    ]


def test_catalog_loader_has_the_bundled_one_until_the_database_answers(monkeypatch):
    answers = iter([AWAY, "known", AWAY])

    def load():
        answer = next(answers)
        if answer is AWAY:
            raise AWAY
        return answer

    monkeypatch.setattr(catalog_store, "load_catalog", load)
    loader = catalog_store.CatalogLoader()

    bundled = loader.load()

    assert bundled.instruments["EURUSD"].is_recorded
    assert bundled.brokers["simulated"].is_simulated
    assert loader.load() == "known"
    with pytest.raises(django.db.OperationalError):
        loader.load()
