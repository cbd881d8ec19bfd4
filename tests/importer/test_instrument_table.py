"""The provider's table, and instruments brought to it."""

from collections import Counter
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from history.timestamps import to_us
from importer.archive_symbols import code
from importer.instrument_sync import sync_instruments
from importer.instrument_table import read_table
from importer.instruments import select_instruments
from marketdata.catalog import InstrumentType
from marketdata.models import BrokerSymbol, Instrument

TABLE = read_table()
EURUSD_FIRST_US = 1_052_074_800_048_000  # 2003-05-04T19:00:00.048Z


def test_read_table_has_all_instruments_with_scale_and_first_tick():
    scales = Counter(row.price_scale for row in TABLE.values())

    assert len(TABLE) == 1_499
    assert scales == {
        1_000: 1_118,
        100_000: 222,
        10: 78,
        1: 46,
        10_000: 28,
        1_000_000: 4,
        100: 3,
    }
    assert sum(row.first_tick is not None for row in TABLE.values()) == 861
    eurusd, btcusd = TABLE["EURUSD"], TABLE["BTCUSD"]
    assert (eurusd.code, eurusd.price_scale, eurusd.decimals) == ("EUR-USD", 100_000, 5)
    assert to_us(eurusd.first_tick) == EURUSD_FIRST_US
    assert (btcusd.type, btcusd.price_scale) == (InstrumentType.CRYPTO, 10)


@pytest.mark.parametrize(
    ("symbol", "base", "quote", "kind"),
    [
        ("DEUIDXEUR", "DEU.IDX", "EUR", "index"),
        ("AAPLUSUSD", "AAPL.US", "USD", "stock"),
        ("BRENTCMDUSD", "BRENT.CMD", "USD", "commodity"),
        ("XPTCMDUSD", "XPT.CMD", "USD", "metal"),
        ("XAUUSD", "XAU", "USD", "metal"),
        ("LNKUSD", "LNK", "USD", "crypto"),
        ("ZARJPY", "ZAR", "JPY", "forex"),
    ],
)
def test_read_table_tells_what_an_instrument_is(symbol, base, quote, kind):
    row = TABLE[symbol]

    assert (row.base, row.quote, row.type.value) == (base, quote, kind)


def test_every_code_of_the_table_makes_an_address():
    assert {code(row.code) for row in TABLE.values()} == {
        row.code for row in TABLE.values()
    }


@pytest.mark.usefixtures("instruments")
def test_the_instruments_that_we_ship_agree_with_the_table():
    assert sync_instruments().updated == 0
    assert BrokerSymbol.objects.filter(broker="dukascopy").count() == 43


@pytest.mark.usefixtures("instruments")
def test_sync_instruments_updates_what_differs_and_adds_nothing():
    BrokerSymbol.objects.filter(symbol="EUR-USD").update(
        symbol="EURUSD", price_scale=None, first_tick=None
    )
    before = Instrument.objects.count()

    report = sync_instruments()

    [eurusd] = select_instruments(["EURUSD"])
    assert (report.updated, report.added, report.scales) == (1, 0, [])
    assert (eurusd.archive_symbol, eurusd.price_scale) == ("EUR-USD", 100_000)
    assert eurusd.first_us == EURUSD_FIRST_US
    assert Instrument.objects.count() == before


@pytest.mark.usefixtures("instruments")
def test_sync_instruments_leaves_a_price_scale_that_was_set_unless_told():
    eurusd = BrokerSymbol.objects.filter(symbol="EUR-USD")
    eurusd.update(price_scale=10_000)
    out = StringIO()

    call_command("sync_instruments", stdout=out)
    kept = eurusd.get().price_scale
    call_command("sync_instruments", "--rescale", stdout=out)

    assert out.getvalue().splitlines() == [
        "EURUSD: price scale 10000 stays, the table has 100000 (--rescale takes it)",
        "0 updated, 0 added",
        "1 updated, 0 added",
    ]
    assert (kept, eurusd.get().price_scale) == (10_000, 100_000)


@pytest.mark.usefixtures("instruments")
def test_sync_instruments_leaves_what_the_table_does_not_have():
    BrokerSymbol.objects.filter(symbol="EUR-USD").update(symbol="EURO-X", price_scale=7)

    assert sync_instruments().updated == 0
    assert BrokerSymbol.objects.get(symbol="EURO-X").price_scale == 7


@pytest.mark.usefixtures("instruments")
def test_sync_instruments_adds_what_is_named():
    report = sync_instruments(["DEU.IDX/EUR", "deuidxeur", "EURUSD"])

    [found] = select_instruments(["DEU.IDX-EUR"])
    instrument = Instrument.objects.get(symbol="DEUIDXEUR")
    assert report.added == 1
    assert (found.symbol, found.archive_symbol) == ("DEUIDXEUR", "DEU.IDX-EUR")
    assert (found.type, found.price_scale) == (InstrumentType.INDEX, 1_000)
    assert (instrument.display, instrument.decimals) == ("DEU.IDX/EUR", 3)


@pytest.mark.usefixtures("instruments")
def test_sync_instruments_adds_the_symbol_to_an_instrument_of_another_broker():
    Instrument.objects.create(
        symbol="ADAUSD", base="ADA", quote="USD", type="crypto", decimals=4
    )

    sync_instruments(["ADAUSD"])

    assert Instrument.objects.get(symbol="ADAUSD").decimals == 4
    assert select_instruments(["ADA/USD"])[0].archive_symbol == "ADA-USD"


@pytest.mark.django_db
def test_sync_instruments_command_adds_all_once():
    out = StringIO()

    call_command("sync_instruments", "--all", stdout=out)
    call_command("sync_instruments", "--all", stdout=out)

    assert out.getvalue().split("\n")[:2] == [
        "0 updated, 1499 added",
        "0 updated, 0 added",
    ]
    for instrument in Instrument.objects.all():
        instrument.full_clean(validate_unique=False, validate_constraints=False)


@pytest.mark.django_db
def test_sync_instruments_command_of_an_unknown_symbol_names_near_ones():
    with pytest.raises(CommandError, match=r"\(EURUSD, .*, found 'EURUSE'"):
        call_command("sync_instruments", "--add", "EURUSE")
    assert not Instrument.objects.exists()
