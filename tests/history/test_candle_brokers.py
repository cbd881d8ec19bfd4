"""Whose candles and metadata are answered where several brokers have some."""

import pytest

from marketdata.models import Instrument
from tests.history.candle_requests import candles, range_of
from tests.history.factories import T0, store_quotes


@pytest.fixture
def three_brokers(transactional_db):
    """EURUSD at T0: dukascopy 1 tick at 1.1, oanda 3 at 1.2, kraken 2 at 1.3."""
    store_quotes([(T0, 1.1, 1.1)])
    store_quotes([(T0 + i, 1.2, 1.2) for i in range(3)], broker="oanda")
    store_quotes([(T0 + i, 1.3, 1.3) for i in range(2)], broker="kraken")


def answering(rest, **query):
    response = candles(rest, **range_of(T0, T0 + 1), **query)
    return response.headers["X-Broker"], [item["open"] for item in response.json()]


@pytest.mark.usefixtures("three_brokers")
def test_candles_without_broker_are_dukascopys_if_it_has_ticks(rest):
    assert answering(rest) == ("dukascopy", [1.1])


@pytest.mark.usefixtures("three_brokers")
def test_candles_without_broker_are_the_history_brokers_if_set(rest):
    Instrument.objects.update(history_broker="kraken")

    assert answering(rest) == ("kraken", [1.3])


def test_candles_without_broker_or_dukascopy_are_of_the_most_ticks(
    rest, transactional_db
):
    store_quotes([(T0, 1.3, 1.3)], broker="kraken")
    store_quotes([(T0 + i, 1.2, 1.2) for i in range(3)], broker="oanda")

    assert answering(rest) == ("oanda", [1.2])


@pytest.mark.usefixtures("three_brokers")
def test_candles_of_a_named_broker_are_its_own(rest):
    assert answering(rest, broker="OANDA") == ("oanda", [1.2])
    assert answering(rest, broker="kraken") == ("kraken", [1.3])


@pytest.mark.usefixtures("three_brokers")
def test_candles_of_broker_without_data_name_those_that_have(rest):
    response = candles(rest, broker="binance", **range_of(T0, T0 + 1))

    assert response.status_code == 404
    assert response.json() == {
        "error": "expected one of dukascopy, kraken, oanda, found broker 'binance'",
        "code": "UNKNOWN_BROKER",
    }


@pytest.mark.usefixtures("three_brokers")
def test_metadata_names_all_brokers_with_data_and_gives_one_series(rest):
    one = rest.get("/api/metadata/EURUSD").json()
    every = rest.get("/api/metadata").json()["symbols"]

    assert one["brokers"] == ["dukascopy", "kraken", "oanda"]
    assert one["tick_count"] == 1
    assert every == [{key: one[key] for key in one if key != "timeframes"}]
