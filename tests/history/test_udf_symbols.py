"""Configuration, symbol information and search, without a database."""

from datetime import UTC, datetime

import pytest

from history.exceptions import SymbolNotFound
from history.series_info import SeriesInfo
from history.udf_symbols import (
    Listing,
    SearchQuery,
    Ticker,
    config_body,
    parse_ticker,
    search_body,
    symbol_body,
)
from marketdata.catalog import InstrumentType

NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)
RESOLUTIONS = ["1S", "1", "5", "15", "30", "60", "240", "720", "1D", "1W"]


def listing(
    symbol: str, broker: str, kind: str = "forex", *, decimals: int = 5, **more: bool
) -> Listing:
    series = SeriesInfo(1, symbol, decimals, broker, NOON, NOON, NOON, 1, 0)
    return Listing(series, symbol[:3], symbol[3:], InstrumentType(kind), **more)


LISTINGS = [
    listing("BTCUSDT", "binance", "crypto", decimals=2),
    listing("EURUSD", "dukascopy"),
    listing("EURUSD", "oanda", is_named=True),
    listing("USDEUR", "dukascopy"),
    listing("XAUUSD", "dukascopy", "metal", decimals=3),
]


def tickers(**query: object) -> list[str]:
    found = search_body(LISTINGS, SearchQuery(**query))
    return [item["ticker"] for item in found]


@pytest.mark.parametrize(
    ("text", "ticker"),
    [
        ("EURUSD", Ticker("EURUSD")),
        ("eur/usd", Ticker("EURUSD")),
        ("OANDA:EURUSD", Ticker("EURUSD", "oanda")),
        ("Oanda:EUR_USD", Ticker("EURUSD", "oanda")),
        (":EURUSD", Ticker("EURUSD")),
    ],
)
def test_parse_ticker_takes_a_symbol_and_a_broker_in_any_spelling(text, ticker):
    assert parse_ticker(text) == ticker


@pytest.mark.parametrize("text", ["", "OANDA:", "a b", "a:b:EURUSD", "x" * 21, "é"])
def test_parse_ticker_of_what_is_none_is_not_found(text):
    with pytest.raises(SymbolNotFound):
        parse_ticker(text)


def test_config_body_has_the_protocols_fields():
    assert config_body(LISTINGS) == {
        "supported_resolutions": RESOLUTIONS,
        "supports_search": True,
        "supports_group_request": False,
        "supports_marks": False,
        "supports_timescale_marks": False,
        "supports_time": True,
        "exchanges": [
            {"value": "", "name": "All brokers", "desc": ""},
            {"value": "BINANCE", "name": "BINANCE", "desc": "BINANCE"},
            {"value": "DUKASCOPY", "name": "DUKASCOPY", "desc": "DUKASCOPY"},
            {"value": "OANDA", "name": "OANDA", "desc": "OANDA"},
        ],
        "symbols_types": [
            {"name": "All types", "value": ""},
            {"name": "Commodity", "value": "commodity"},
            {"name": "Crypto", "value": "crypto"},
            {"name": "Forex", "value": "forex"},
        ],
    }


def test_symbol_body_of_forex():
    body = symbol_body(LISTINGS[1])

    assert body == {
        "name": "EURUSD",
        "ticker": "EURUSD",
        "full_name": "DUKASCOPY:EURUSD",
        "description": "EUR/USD",
        "type": "forex",
        "session": "1700-1700",
        "timezone": "America/New_York",
        "exchange": "DUKASCOPY",
        "listed_exchange": "DUKASCOPY",
        "format": "price",
        "minmov": 1,
        "pricescale": 100_000,
        "currency_code": "USD",
        "has_seconds": True,
        "seconds_multipliers": ["1"],
        "has_intraday": True,
        "intraday_multipliers": ["1", "5", "15", "30", "60"],
        "has_daily": True,
        "daily_multipliers": ["1"],
        "has_weekly_and_monthly": True,
        "weekly_multipliers": ["1"],
        "monthly_multipliers": [],
        "supported_resolutions": RESOLUTIONS,
        "has_empty_bars": False,
        "visible_plots_set": "ohlcv",
        "volume_precision": 2,
        "data_status": "streaming",
    }


def test_symbol_body_of_crypto_is_open_around_the_clock():
    body = symbol_body(LISTINGS[0])

    assert (body["session"], body["timezone"]) == ("24x7", "Etc/UTC")
    assert (body["pricescale"], body["volume_precision"]) == (100, 5)
    assert body["intraday_multipliers"] == ["1", "5", "15", "30", "60", "240", "720"]


def test_symbol_body_of_a_named_broker_is_asked_for_by_its_name():
    body = symbol_body(LISTINGS[2])

    assert (body["name"], body["ticker"]) == ("EURUSD", "OANDA:EURUSD")
    assert body["exchange"] == "OANDA"


def test_search_body_has_the_librarys_fields():
    assert search_body(LISTINGS, SearchQuery("xau")) == [
        {
            "symbol": "XAUUSD",
            "full_name": "DUKASCOPY:XAUUSD",
            "description": "XAU/USD",
            "exchange": "DUKASCOPY",
            "ticker": "XAUUSD",
            "type": "commodity",
        }
    ]


@pytest.mark.parametrize("text", ["EUR", "eur", "EU", "EUR/"])
def test_search_body_puts_what_begins_with_the_text_first(text):
    assert tickers(text=text) == ["EURUSD", "OANDA:EURUSD", "USDEUR"]


def test_search_body_takes_spellings_and_brokers():
    assert tickers(text="EUR/USD") == ["EURUSD", "OANDA:EURUSD"]
    assert tickers(text="oanda:eur") == ["OANDA:EURUSD"]
    assert tickers(text="nothing") == []


def test_search_body_filters_by_type_and_exchange():
    assert tickers(kind="crypto") == ["BTCUSDT"]
    assert tickers(exchange="OANDA") == ["OANDA:EURUSD"]
    assert tickers(kind="crypto", exchange="OANDA") == []


def test_search_body_gives_all_without_a_text_up_to_the_limit():
    assert len(tickers()) == len(LISTINGS)
    assert tickers(limit=2) == ["BTCUSDT", "EURUSD"]
