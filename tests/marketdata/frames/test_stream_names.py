import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.catalog import Broker, Catalog
from marketdata.exceptions import InvalidField
from marketdata.frames.stream_names import (
    FORMS,
    Stream,
    find_stream,
    names_in_path,
    names_in_query,
    stream_name,
)
from marketdata.records import Kind
from marketdata.timeframes import PriceSide, Timeframe
from marketdata.topics import Topic
from tests.marketdata.samples import BTCUSDT, EURUSD, catalog

CATALOG = catalog("binance", "oanda")


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("btcusdt@trade", Topic(Kind.TRADE, "binance", "BTCUSDT")),
        ("btcusdt@aggTrade", Topic(Kind.TRADE, "binance", "BTCUSDT")),
        ("btcusdt@bookTicker", Topic(Kind.TICK, "binance", "BTCUSDT")),
        ("btcusdt@ticker", Topic(Kind.TICKER, "binance", "BTCUSDT")),
        ("btcusdt@miniTicker", Topic(Kind.TICKER, "binance", "BTCUSDT")),
        ("btcusdt@depth5", Topic(Kind.ORDERBOOK, "binance", "BTCUSDT")),
        ("btcusdt@depth10@100ms", Topic(Kind.ORDERBOOK, "binance", "BTCUSDT")),
        ("btcusdt@depth20@1000ms", Topic(Kind.ORDERBOOK, "binance", "BTCUSDT")),
        (
            "btcusdt@kline_1m",
            Topic(Kind.CANDLE, "binance", "BTCUSDT", Timeframe.M1, PriceSide.TRADE),
        ),
        (
            "eurusd@kline_12h",
            Topic(Kind.CANDLE, "oanda", "EURUSD", Timeframe.H12, PriceSide.MID),
        ),
        ("eurusd@trade", Topic(Kind.TRADE, "oanda", "EURUSD")),
    ],
)
def test_find_stream_of_binances_names_has_the_topic_of_the_routed_broker(name, topic):
    stream = find_stream(name, CATALOG)

    assert (stream.name, stream.topic) == (name, topic)
    assert stream.symbol == topic.symbol
    assert stream.form == FORMS[name.partition("@")[2]]


@pytest.mark.parametrize("spelling", ["EURUSD", "eur/usd", "EUR_USD", "eur-usd"])
def test_find_stream_in_any_spelling_has_one_name(spelling):
    assert find_stream(f"{spelling}@trade", CATALOG).name == "eurusd@trade"


@pytest.mark.parametrize("spelling", ["xbtusdt", "XBT/USDT"])
def test_find_stream_in_a_brokers_spelling_has_the_instruments_name(spelling):
    assert find_stream(f"{spelling}@trade", CATALOG).name == "btcusdt@trade"


@pytest.mark.parametrize("kind", ["trade", "depth", "ticker"])
def test_find_stream_of_server_b_is_the_channel_of_that_name(kind):
    stream = find_stream(f"{kind}@TATA_INR", CATALOG)

    assert stream == Stream(
        f"{kind}@TATA_INR",
        Topic(Kind.FOREIGN, "redis", f"{kind}@TATA_INR"),
        symbol="TATAINR",
    )


@pytest.mark.parametrize(
    "name",
    [
        "nopeusdt@trade",
        "btcusdt@kline_3m",
        "btcusdt@kline_1M",
        "btcusdt@depth",
        "btcusdt@depth@100ms",
        "btcusdt@depth30",
        "btcusdt@depth5@50ms",
        "btcusdt@markPrice",
        "btcusdt@TRADE",
        "!ticker@arr",
        "this-symbol-is-too-long-to-be-one@trade",
        "b(tc@trade",
        "trade@TATA*",
        "orders@TATA_INR",
    ],
)
def test_find_stream_of_what_binance_would_accept_never_has_data(name):
    assert find_stream(name, CATALOG) == Stream(name)


def test_find_stream_of_an_instrument_without_a_broker_never_has_data():
    unserved = Catalog([BTCUSDT, EURUSD], [Broker("oanda", is_enabled=False)])

    assert find_stream("eurusd@trade", unserved) == Stream("eurusd@trade")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("internal", "'internal'"),
        ("channel:trade:AAPL", "'channel:trade:AAPL'"),
        ("", "''"),
        ("@", "'@'"),
        ("trade@", "'trade@'"),
        ("@trade", "'@trade'"),
        ("btc usdt@trade", "'btc usdt@trade'"),
        ("x" * 61 + "@trade", "'" + "x" * 60 + "'"),
        ("btcusdt@trade\n", "'btcusdt@trade\\n'"),
    ],
)
def test_find_stream_of_no_name_at_all_is_refused(name, shown):
    with pytest.raises(InvalidField) as caught:
        find_stream(name, CATALOG)

    assert str(caught.value) == (
        "stream: expected <symbol>@<stream>, trade@<market>, depth@<market> or "
        f"ticker@<market>, found {shown}"
    )


@given(st.text())
def test_find_stream_of_any_text_has_a_name_or_is_refused(text):
    try:
        stream = find_stream(text, CATALOG)
    except InvalidField:
        return

    assert stream.name == text or stream.topic is not None


@given(st.sampled_from(sorted(FORMS)), st.sampled_from([BTCUSDT, EURUSD]))
def test_stream_name_is_found_as_what_it_was_made_of(suffix, instrument):
    name = stream_name(instrument, FORMS[suffix])

    stream = find_stream(name, CATALOG)

    assert (stream.name, stream.form) == (name, FORMS[suffix])
    assert stream.topic.symbol == instrument.symbol


def test_forms_of_partial_depth_have_levels_and_binances_speeds():
    forms = [form for name, form in FORMS.items() if name.startswith("depth")]

    assert [(form.suffix, form.levels, form.every_ms) for form in forms[:4]] == [
        ("depth5", 5, 1_000),
        ("depth5@1000ms", 5, 1_000),
        ("depth5@100ms", 5, 100),
        ("depth10", 10, 1_000),
    ]
    assert len(forms) == 9


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/ws/btcusdt@trade", ["btcusdt@trade"]),
        ("/binance/ws/btcusdt@trade/eurusd@ticker", ["btcusdt@trade", "eurusd@ticker"]),
        ("/binance/ws", []),
        ("/binance/ws/", []),
        ("/binance/ws/pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8", []),
    ],
)
def test_names_in_path_are_the_streams_after_ws(path, names):
    assert names_in_path(path) == names


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"streams": "btcusdt@trade/trade@M"}, ["btcusdt@trade", "trade@M"]),
        ({"streams": "/a@b//"}, ["a@b"]),
        ({"streams": ""}, []),
        ({"token": "x"}, []),
    ],
)
def test_names_in_query_are_those_of_streams(query, names):
    assert names_in_query(query) == names
