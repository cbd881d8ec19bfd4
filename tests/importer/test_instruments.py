"""Finding what the archive carries by any spelling."""

import pytest

from importer.exceptions import UnknownInstrument
from importer.instruments import ArchiveInstrument, select_instruments
from marketdata.catalog import InstrumentType
from marketdata.models import BrokerSymbol

EURUSD = ArchiveInstrument(
    *("EURUSD", "EUR-USD", InstrumentType.FOREX, 100_000),
    first_us=1_052_074_800_048_000,  # 2003-05-04T19:00:00.048Z
)


@pytest.mark.usefixtures("instruments")
@pytest.mark.parametrize("text", ["EURUSD", "eurusd", "EUR/USD", "eur_usd", "EUR-USD"])
def test_select_instruments_knows_every_spelling(text):
    assert select_instruments([text]) == [EURUSD]


@pytest.mark.usefixtures("instruments")
def test_select_instruments_keeps_the_order_and_gives_each_once():
    found = select_instruments(["BTCUSD", "EURUSD", "EUR/USD"])

    assert [item.symbol for item in found] == ["BTCUSD", "EURUSD"]


@pytest.mark.usefixtures("instruments")
def test_select_instruments_of_the_archive_s_own_spelling_finds_it():
    BrokerSymbol.objects.filter(broker="dukascopy", symbol="EUR-USD").update(
        symbol="EUROIDXUSD"
    )

    [found] = select_instruments(["EUROIDX.USD"])

    assert (found.symbol, found.archive_symbol) == ("EURUSD", "EUROIDXUSD")


@pytest.mark.usefixtures("instruments")
def test_select_instruments_of_an_unknown_symbol_names_near_ones():
    with pytest.raises(UnknownInstrument) as caught:
        select_instruments(["EURUSD", "EUSD"])

    assert caught.value.near[0] == "EURUSD"
    assert str(caught.value).endswith(", found 'EUSD'")


@pytest.mark.usefixtures("instruments")
def test_select_instruments_of_no_symbol_at_all_names_valid_ones():
    with pytest.raises(UnknownInstrument, match=r"AUDUSD.*, found '\?'"):
        select_instruments(["?"])


@pytest.mark.usefixtures("instruments")
def test_select_instruments_leaves_out_what_has_no_price_scale():
    BrokerSymbol.objects.filter(broker="dukascopy", symbol="EUR-USD").update(
        price_scale=None
    )

    with pytest.raises(UnknownInstrument):
        select_instruments(["EURUSD"])


@pytest.mark.django_db
def test_select_instruments_of_an_empty_database_says_how_to_fill_it():
    with pytest.raises(UnknownInstrument, match=r"manage\.py load_instruments"):
        select_instruments(["EURUSD"])
