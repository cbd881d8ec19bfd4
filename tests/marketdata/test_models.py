"""What the admin accepts as names of an instrument."""

import pytest
from django.core.exceptions import ValidationError

from marketdata.models import BrokerSymbol, Instrument


@pytest.mark.parametrize(
    "symbol", ["EUR_USD", "btcusdt", "XBT/USD", "DEU.IDX-EUR", "A" * 30]
)
def test_broker_symbol_accepts_what_brokers_use(symbol):
    BrokerSymbol(symbol=symbol).clean_fields(exclude=["instrument", "broker"])


@pytest.mark.parametrize(
    "symbol", ["EUR USD", "EUR:USD", "...", "EUR\n", "\u20acUSD", "A" * 31]
)
def test_broker_symbol_refuses_what_cannot_be_one(symbol):
    with pytest.raises(ValidationError) as raised:
        BrokerSymbol(symbol=symbol).clean_fields(exclude=["instrument", "broker"])

    assert list(raised.value.message_dict) == ["symbol"]


@pytest.mark.parametrize("part", ["EUR USD", "EUR/USD", "...", "A:B"])
def test_instrument_refuses_base_and_quote_that_clients_could_not_send(part):
    row = Instrument(symbol="EURUSD", base=part, quote=part, type="forex", decimals=5)

    with pytest.raises(ValidationError) as raised:
        row.clean_fields()

    assert sorted(raised.value.message_dict) == ["base", "quote"]


def test_instrument_accepts_a_base_with_a_market():
    row = Instrument(
        symbol="DEUIDXEUR", base="DEU.IDX", quote="EUR", type="index", decimals=3
    )

    row.clean_fields()
