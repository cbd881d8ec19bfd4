import pytest

from tests.history.factories import T0, make_instrument, store_quotes

pytestmark = pytest.mark.django_db(transaction=True)


def test_symbols_name_who_spells_them_and_who_has_data(rest):
    make_instrument("EURUSD", spellings={"oanda": "EUR_USD", "kraken": "EUR/USD"})
    store_quotes([(T0, 1.1, 1.2), (T0 + 9.5, 1.1, 1.2)], broker="oanda")
    store_quotes([(T0 + 5, 1.1, 1.2)])
    make_instrument("AUDUSD", decimals=4)

    answer = rest.get("/api/symbols")

    assert answer.json() == [
        {
            "symbol": "AUDUSD",
            "display": "AUD/USD",
            "type": "forex",
            "decimals": 4,
            "brokers": [],
        },
        {
            "symbol": "EURUSD",
            "display": "EUR/USD",
            "type": "forex",
            "decimals": 5,
            "brokers": [
                {
                    "broker": "dukascopy",
                    "symbol": "EURUSD",
                    "earliest": T0 + 5,
                    "latest": T0 + 5,
                },
                {
                    "broker": "kraken",
                    "symbol": "EUR/USD",
                    "earliest": None,
                    "latest": None,
                },
                {
                    "broker": "oanda",
                    "symbol": "EUR_USD",
                    "earliest": T0,
                    "latest": T0 + 9,
                },
            ],
        },
    ]
