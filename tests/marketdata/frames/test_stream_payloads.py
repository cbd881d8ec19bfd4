import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.binance.messages import parse_frame
from marketdata.catalog import Instrument, InstrumentType
from marketdata.frames.stream_names import FORMS
from marketdata.frames.stream_payloads import stream_payload
from marketdata.records import Candle, OrderBook, Tick, Ticker, Trade
from marketdata.timeframes import PriceSide, Timeframe
from tests.brokers.recordings import SYMBOLS, recorded_frames, shape_frames
from tests.marketdata.samples import (
    BOOK,
    BTCUSDT,
    CANDLE,
    EURUSD,
    FOREIGN,
    NOW_US,
    TICK,
    TICKER,
    TRADE,
)

START_MS = 1_704_153_600_000  # of the samples' minute
EVENT_MS = START_MS + 124  # received 900 us after the venue's .123456
EURUSD_TICK = Tick(
    broker="oanda",
    symbol="EURUSD",
    time_us=NOW_US,
    received_us=NOW_US,
    bid=1.085,
    ask=1.08507,
    bid_size=10_000_000.0,
)
MID_CANDLE = Candle(
    broker="oanda",
    symbol="EURUSD",
    time_us=START_MS * 1_000,
    received_us=NOW_US + 59_999_000_000 // 1_000,
    timeframe=Timeframe.M5,
    price_side=PriceSide.MID,
    open=1.085,
    high=1.0852,
    low=1.0849,
    close=1.08511,
    volume=12_000_000.0,
    ticks=31,
    is_final=True,
)


def payload_of(record, suffix, *, instrument=BTCUSDT, number=7):
    return stream_payload(record, instrument, FORMS[suffix], number)


def changed(record, **changes):
    return msgspec.structs.replace(record, **changes)


def test_trade_is_binances():
    assert payload_of(TRADE, "trade") == {
        "e": "trade",
        "E": EVENT_MS,
        "s": "BTCUSDT",
        "t": 3_298_741_234,
        "p": "42000.12",
        "q": "0.01500000",
        "T": START_MS + 123,
        "m": False,
        "M": True,
    }


def test_trade_of_a_seller_has_the_buyer_as_maker():
    sale = changed(TRADE, side=type(TRADE.side).SELL)

    assert payload_of(sale, "trade")["m"] is True
    assert payload_of(sale, "aggTrade")["m"] is True


def test_trade_without_id_and_side_has_its_number_and_no_maker():
    unknown = changed(TRADE, trade_id=None, side=None)

    payload = payload_of(unknown, "trade", number=12)

    assert (payload["t"], payload["m"]) == (12, False)


def test_aggregate_trade_is_one_print():
    assert payload_of(TRADE, "aggTrade") == {
        "e": "aggTrade",
        "E": EVENT_MS,
        "s": "BTCUSDT",
        "a": 3_298_741_234,
        "p": "42000.12",
        "q": "0.01500000",
        "f": 3_298_741_234,
        "l": 3_298_741_234,
        "T": START_MS + 123,
        "m": False,
        "M": True,
    }


def test_book_ticker_has_the_number_as_update_id():
    assert payload_of(TICK, "bookTicker", number=400_900_217) == {
        "u": 400_900_217,
        "s": "BTCUSDT",
        "b": "42000.11",
        "B": "1.50000000",
        "a": "42000.12",
        "A": "0.25000000",
    }


def test_book_ticker_has_the_instruments_decimals_and_no_invented_sizes():
    assert payload_of(EURUSD_TICK, "bookTicker", instrument=EURUSD) == {
        "u": 7,
        "s": "EURUSD",
        "b": "1.08500",
        "B": "10000000.00000000",
        "a": "1.08507",
        "A": "0",
    }


def test_partial_depth_is_the_top_of_a_whole_book():
    deep = changed(BOOK, bids=tuple((42_000.0 - i, 1.0) for i in range(20)))

    payload = payload_of(deep, "depth5")

    assert payload["bids"] == [(f"{42_000 - i}.00", "1.00000000") for i in range(5)]
    assert payload["asks"] == [("42000.12", "0.25000000")]
    assert payload["lastUpdateId"] == 12
    assert list(payload) == ["lastUpdateId", "bids", "asks"]
    assert len(payload_of(deep, "depth20@100ms")["bids"]) == 20


def test_partial_depth_without_the_venues_id_has_the_number():
    book = changed(BOOK, last_id=None)

    assert payload_of(book, "depth5", number=9)["lastUpdateId"] == 9


def test_partial_depth_of_changed_levels_is_nothing():
    assert payload_of(changed(BOOK, is_snapshot=False), "depth5") is None


def test_kline_of_trades_has_their_volume():
    candle = changed(CANDLE, price_side=PriceSide.TRADE, close=42_000.12)

    assert payload_of(candle, "kline_1m") == {
        "e": "kline",
        "E": START_MS + 123,
        "s": "BTCUSDT",
        "k": {
            "t": START_MS,
            "T": START_MS + 59_999,
            "s": "BTCUSDT",
            "i": "1m",
            "f": -1,
            "L": -1,
            "o": "42000.00",
            "c": "42000.12",
            "h": "42001.00",
            "l": "41999.50",
            "v": "12.50000000",
            "n": 7,
            "x": False,
            "q": "0",
            "V": "0",
            "Q": "0",
            "B": "0",
        },
    }


def test_kline_of_mid_prices_has_volume_0():
    body = payload_of(MID_CANDLE, "kline_5m", instrument=EURUSD)["k"]

    assert (body["v"], body["n"], body["x"]) == ("0", 31, True)
    assert [body[key] for key in "ohlc"] == ["1.08500", "1.08520", "1.08490", "1.08511"]
    assert body["T"] - body["t"] == 299_999


def test_ticker_has_the_change_and_marks_what_is_unknown():
    ticker = changed(TICKER, quote_volume=51_849_000.0)

    assert payload_of(ticker, "ticker") == {
        "e": "24hrTicker",
        "E": START_MS + 123,
        "s": "BTCUSDT",
        "p": "1000.12",
        "P": "2.439",
        "w": "42000.00000000",
        "x": "0",
        "c": "42000.12",
        "Q": "0",
        "b": "0",
        "B": "0",
        "a": "0",
        "A": "0",
        "o": "41000.00",
        "h": "42500.50",
        "l": "40900.25",
        "v": "1234.50000000",
        "q": "51849000.00000000",
        "O": START_MS + 123 - 86_400_000,
        "C": START_MS + 123,
        "F": -1,
        "L": -1,
        "n": 0,
    }


def test_ticker_without_volumes_has_zeros():
    ticker = changed(TICKER, open=0.0, volume=0.0, quote_volume=None)

    payload = payload_of(ticker, "ticker")

    assert [payload[key] for key in "PvqwB"] == ["0.000", "0", "0", "0", "0"]


def test_mini_ticker_is_binances():
    assert payload_of(TICKER, "miniTicker") == {
        "e": "24hrMiniTicker",
        "E": START_MS + 123,
        "s": "BTCUSDT",
        "c": "42000.12",
        "o": "41000.00",
        "h": "42500.50",
        "l": "40900.25",
        "v": "1234.50000000",
        "q": "0",
    }


@pytest.mark.parametrize("record", [TICK, TRADE, BOOK, TICKER, CANDLE, FOREIGN])
@pytest.mark.parametrize("suffix", sorted(FORMS))
def test_stream_payload_of_another_kind_is_nothing(record, suffix):
    expected = {
        "trade": Trade,
        "aggTrade": Trade,
        "bookTicker": Tick,
        "ticker": Ticker,
        "miniTicker": Ticker,
        "depth": OrderBook,
        "kline": Candle,
    }
    kind = next(expected[name] for name in expected if suffix.startswith(name))

    assert (payload_of(record, suffix) is not None) is isinstance(record, kind)


# Against Binance's own frames

KINDS = {
    "trade": "trade",
    "aggTrade": "aggTrade",
    "kline": "kline_1m",
    "24hrTicker": "ticker",
    "24hrMiniTicker": "miniTicker",
}
# What our records do not keep, and the ids of buyer's and seller's orders, which
# Binance sent until 2023 or so.
NOT_KEPT = {
    "trade": ("a", "b"),
    "aggTrade": ("f", "l"),
    "bookTicker": ("u",),
    "kline": ("f", "L", "q", "V", "Q"),
    "24hrTicker": tuple("wxQbBaAFLnOC"),
    "24hrMiniTicker": (),
}


def binance_frames():
    """Each frame of Binance that makes a record of a form that we serve."""
    for frame in (*recorded_frames(), *shape_frames()):
        payload = json.loads(frame)
        payload = payload.get("data", payload) if isinstance(payload, dict) else {}
        event = payload.get("e", "bookTicker" if "u" in payload else "")
        if event in NOT_KEPT:
            yield frame, payload, event


@pytest.mark.parametrize("event", sorted(NOT_KEPT))
def test_payload_of_a_parsed_frame_is_binances_again(event):
    symbols = {symbol: symbol for symbol in (*SYMBOLS, "BTCUSDT", "ETHBTC")}
    compared = 0
    for frame, theirs, kind in binance_frames():
        if kind != event:
            continue
        received_us = theirs.get("E", 0) * 1_000 or NOW_US
        record = parse_frame(frame.encode(), received_us, symbols)
        if not isinstance(record, Tick | Trade | Ticker | Candle):
            continue
        instrument = Instrument(
            record.symbol, record.symbol, InstrumentType.CRYPTO, 8, {}
        )
        ours = payload_of(record, KINDS.get(event, event), instrument=instrument)

        assert ours.keys() >= theirs.keys() - set(NOT_KEPT[event])
        assert kept(ours, event) == kept(theirs, event)
        compared += 1
    assert compared


def kept(payload, event):
    """What our records keep of a payload, numbers as such."""
    body = payload.get("k", {})
    values = {**payload, **body} if body else payload
    return {
        key: number_of(value)
        for key, value in values.items()
        if key not in (*NOT_KEPT[event], "k")
    }


def number_of(value):
    try:
        return float(value)
    except ValueError:
        return value


prices = st.integers(1, 10**9).map(lambda points: points / 100)
sizes = st.integers(1, 10**12).map(lambda lots: lots / 10**8)


@given(prices, prices, sizes, sizes)
def test_book_ticker_is_read_by_a_client_of_binance_as_it_was(
    bid, ask, bid_size, ask_size
):
    tick = changed(TICK, bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size)

    body = msgspec.json.encode(payload_of(tick, "bookTicker"))

    read = parse_frame(body, TICK.received_us, {"BTCUSDT": "BTCUSDT"})
    assert read == changed(tick, time_us=TICK.received_us)
