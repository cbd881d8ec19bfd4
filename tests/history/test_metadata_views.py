"""Metadata through REST over the real database (COMPAT check 26)."""

import pytest

from tests.history.candle_requests import ALL
from tests.history.factories import T0, make_instrument, store_quotes


@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_26_metadata_of_all_symbols(rest):
    store_quotes([(T0, 1.27, 1.2701)], symbol="GBPUSD")
    store_quotes([(T0, 0.65, 0.6501)], symbol="AUDUSD")

    response = rest.get("/api/metadata")

    body = response.json()
    assert response.status_code == 200
    assert [item["symbol"] for item in body["symbols"]] == [
        "AUDUSD",
        "EURUSD",
        "GBPUSD",
    ]
    assert body["timeframes"] == ALL
    eurusd = body["symbols"][1]
    assert eurusd.pop("version")
    assert eurusd == {
        "symbol": "EURUSD",
        "earliest": T0,
        "latest": T0 + 999 * 7,
        "tick_count": 1000,
        "brokers": ["dukascopy"],
    }


@pytest.mark.django_db(transaction=True)
def test_metadata_of_empty_store_has_no_symbols(rest):
    make_instrument("EURUSD")

    assert rest.get("/api/metadata").json() == {"symbols": [], "timeframes": ALL}


@pytest.mark.parametrize(
    "address",
    [
        "/api/metadata?symbol=EURUSD",
        "/api/metadata?symbol=eurusd",
        "/api/metadata?symbol=EUR/USD",
        "/api/metadata?symbol=EUR%2FUSD",
        "/api/metadata/EURUSD",
        "/api/metadata/eurusd",
        "/api/metadata/EUR%2FUSD",
        "/api/metadata/EUR/USD",
        "/api/metadata/EURUSD/",
    ],
)
@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_26_metadata_of_a_symbol_in_any_spelling(rest, address):
    response = rest.get(address)

    body = response.json()
    assert response.status_code == 200
    assert response.headers["X-Broker"] == "dukascopy"
    assert body.pop("version")
    assert body == {
        "symbol": "EURUSD",
        "earliest": T0,
        "latest": T0 + 6993,
        "tick_count": 1000,
        "brokers": ["dukascopy"],
        "timeframes": ALL,
    }


def test_compat_check_26_metadata_seconds_are_floored(rest, transactional_db):
    store_quotes([(T0 + 0.9, 1.1, 1.2), (T0 + 60.999, 1.1, 1.2)])

    body = rest.get("/api/metadata/EURUSD").json()

    assert (body["earliest"], body["latest"]) == (T0, T0 + 60)


def test_compat_check_26_metadata_takes_symbols_that_are_not_six_letters(
    rest, transactional_db
):
    store_quotes([(T0, 97_000.5, 97_001.5)], symbol="BTCUSDT", broker="binance")

    assert rest.get("/api/metadata?symbol=btc-usdt").json()["tick_count"] == 1


@pytest.mark.parametrize("address", ["/api/metadata?symbol=", "/api/metadata/"])
@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_26_metadata_of_unknown_symbol(rest, address):
    response = rest.get(f"{address}XXXYYY")

    assert response.status_code == 404
    assert response.json() == {"error": "Symbol not found", "code": "SYMBOL_NOT_FOUND"}


@pytest.mark.django_db(transaction=True)
def test_metadata_of_instrument_without_data_is_not_found(rest):
    make_instrument("EURUSD")

    assert rest.get("/api/metadata/EURUSD").status_code == 404


@pytest.mark.parametrize("address", ["/api/metadata?symbol=a%20b", "/api/metadata/a!b"])
@pytest.mark.django_db(transaction=True)
def test_metadata_of_what_is_no_symbol_is_a_validation_error(rest, address):
    response = rest.get(address)

    assert response.status_code == 400
    assert response.json()["code"] == "VALIDATION_ERROR"
    assert response.json()["details"][0]["field"] == "symbol"


def test_metadata_version_changes_with_the_past_and_not_with_live_ticks(
    rest, transactional_db
):
    def version():
        return rest.get("/api/metadata/EURUSD").json()["version"]

    store_quotes([(T0, 1.1, 1.1), (T0 + 60, 1.1, 1.1)])
    first = version()
    store_quotes([(T0 + 90, 1.1, 1.1)])
    after_live = version()
    store_quotes([(T0 + 30, 1.1, 1.1)])

    assert after_live == first
    assert version() != first
