import pytest
from django.db import connection

from history.changed_ranges import note_changed_ranges
from history.exceptions import SymbolNotFound
from history.models import ChangedRange, Series
from history.series import get_or_create_series
from marketdata.exceptions import UnknownBroker
from marketdata.models import Broker, Instrument
from tests.history.factories import T0, make_broker, make_instrument, store_quotes
from tests.history.reads import select_all_series, select_series

pytestmark = pytest.mark.django_db


def store(broker: str, ticks: int, symbol: str = "EURUSD") -> None:
    quotes = [(T0 + i, 1.1, 1.2) for i in range(ticks)]
    store_quotes(quotes, symbol=symbol, broker=broker, refreshed=False)


def test_select_series_gives_the_figures_of_the_answering_series():
    store("oanda", 2)
    store("dukascopy", 1)

    series = select_series("EURUSD")

    assert (series.symbol, series.broker, series.decimals) == ("EURUSD", "dukascopy", 5)
    assert (series.tick_count, series.brokers) == (1, ("dukascopy", "oanda"))
    assert series.earliest.timestamp() == series.latest.timestamp() == T0


def test_select_series_prefers_history_broker_then_dukascopy_then_most_ticks():
    store("kraken", 1)
    store("oanda", 3)
    assert select_series("EURUSD").broker == "oanda"

    store("dukascopy", 1)
    assert select_series("EURUSD").broker == "dukascopy"

    Instrument.objects.update(history_broker="kraken")
    assert select_series("EURUSD").broker == "kraken"


def test_select_series_takes_simulated_prices_only_where_there_are_no_real_ones():
    store("simulated", 3)
    Broker.objects.filter(name="simulated").update(is_simulated=True)
    assert select_series("EURUSD").broker == "simulated"

    store("oanda", 1)

    assert select_series("EURUSD").broker == "oanda"


def test_select_series_passes_over_a_history_broker_without_data():
    make_broker("kraken")
    store("oanda", 1)
    Instrument.objects.update(history_broker="kraken")
    get_or_create_series("EURUSD", "kraken")

    assert select_series("EURUSD").broker == "oanda"


def test_select_series_passes_over_dukascopy_without_ticks():
    make_broker("dukascopy")
    store("oanda", 1)
    get_or_create_series("EURUSD", "dukascopy")

    series = select_series("EURUSD")

    assert (series.broker, series.brokers) == ("oanda", ("oanda",))


def test_select_series_of_series_with_trades_alone_is_found():
    store("binance", 1)
    Series.objects.update(tick_count=0, trade_count=5)

    assert select_series("EURUSD").broker == "binance"


def test_select_series_prefers_the_instruments_own_symbol_to_a_brokers_spelling():
    make_instrument("XBTUSD")
    make_instrument("BTCUSD", spellings={"kraken": "XBT/USD"})
    store("kraken", 1, symbol="BTCUSD")
    assert select_series("XBTUSD").symbol == "BTCUSD"

    store("oanda", 1, symbol="XBTUSD")
    series = select_series("XBTUSD")
    assert (series.symbol, series.brokers) == ("XBTUSD", ("oanda",))


def test_select_series_knows_the_usual_names_of_assets():
    store("binance", 1, symbol="BTCUSDT")

    assert select_series("XBTUSDT").symbol == "BTCUSDT"


def test_select_series_of_unknown_symbol_raises():
    make_instrument("EURUSD")

    for symbol in ("EURUSD", "XXXYYY"):
        with pytest.raises(SymbolNotFound) as caught:
            select_series(symbol)
        assert str(caught.value) == f"Symbol '{symbol}' not found in database"


def test_select_series_of_broker_without_data_raises():
    store("oanda", 1)

    with pytest.raises(UnknownBroker):
        select_series("EURUSD", "dukascopy")


def test_select_all_series_has_one_answer_per_symbol_in_order():
    store("oanda", 1, symbol="GBPUSD")
    store("oanda", 3)
    store("dukascopy", 1)
    make_instrument("AUDUSD")

    answers = select_all_series()

    assert [(item.symbol, item.broker, item.brokers) for item in answers] == [
        ("EURUSD", "dukascopy", ("dukascopy", "oanda")),
        ("GBPUSD", "oanda", ("oanda",)),
    ]


def test_select_series_counts_the_notes_that_touch_the_span():
    store_quotes([(T0, 1.1, 1.2)])
    series_id = select_series("EURUSD").series_id
    t0_us = T0 * 1_000_000
    assert select_series("EURUSD").pending == ""
    with connection.cursor() as cursor:
        note_changed_ranges(cursor, [(series_id, t0_us, t0_us + 60, 0)])
        note_changed_ranges(cursor, [(series_id + 1, t0_us, t0_us + 60, 0)])
    (note,) = ChangedRange.objects.filter(series_id=series_id)

    def pending(*span: int) -> str:
        return select_series("EURUSD", span=span).pending

    assert pending(t0_us + 59, t0_us + 100) == f"1n{note.pk}"
    assert pending(0, t0_us + 1) == f"1n{note.pk}"
    assert pending(0, t0_us) == ""
    assert pending(t0_us + 60, t0_us + 100) == ""
    assert select_series("EURUSD").pending == f"1n{note.pk}"
