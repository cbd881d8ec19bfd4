import contextlib
import json
import random
from collections import Counter

import pytest

from brokers.binance.messages import (
    Ack,
    Ignored,
    IgnoredReason,
    Parsed,
    Refusal,
    Shutdown,
    parse_frame,
)
from brokers.exceptions import MalformedFrame
from marketdata.records import Candle, OrderBook, Side, Tick, Ticker, Trade
from marketdata.timeframes import PriceSide, Timeframe
from tests.brokers.recordings import SYMBOLS, recorded_frames, shape_frames

RECEIVED_US = 1_700_000_009_000_001
KNOWN = {name: name for name in [*SYMBOLS, "BTCUSDT", "ETHBTC", "GTOBTC"]}


def parse(frame: str) -> Parsed:
    return parse_frame(frame.encode(), RECEIVED_US, KNOWN)


def levels(rows: list[list[str]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(price), float(size)) for price, size in rows)


def test_parse_frame_trade_gives_its_own_id_and_the_seller_as_taker() -> None:
    wrapped, raw, old = map(parse, shape_frames("trade"))

    assert wrapped == Trade(
        broker="binance",
        symbol="BTCUSDT",
        time_us=1_700_000_000_123_000,
        received_us=RECEIVED_US,
        price=37123.45,
        size=0.0125,
        side=Side.SELL,
        trade_id=3300000001,
    )
    assert isinstance(raw, Trade)
    assert (raw.trade_id, raw.side) == (3300000002, Side.BUY)
    assert isinstance(old, Trade)
    assert (old.trade_id, old.price) == (210000001, 0.034123)


def test_parse_frame_aggregate_trade_gives_the_aggregate_id() -> None:
    (trade,) = map(parse, shape_frames("aggTrade"))

    assert isinstance(trade, Trade)
    assert (trade.trade_id, trade.side) == (2700000001, Side.BUY)
    assert trade.time_us == 1_700_000_000_124_000


def test_parse_frame_book_ticker_uses_the_receive_time() -> None:
    tick = parse(shape_frames("bookTicker")[0])

    assert tick == Tick(
        broker="binance",
        symbol="BTCUSDT",
        time_us=RECEIVED_US,
        received_us=RECEIVED_US,
        bid=37123.44,
        ask=37123.45,
        bid_size=3.2,
        ask_size=0.75,
    )


def test_parse_frame_book_ticker_of_an_empty_book_gives_no_tick() -> None:
    found = parse(shape_frames("bookTicker")[1])

    assert found == Ignored(IgnoredReason.NO_QUOTE, "GTOBTC")


def test_parse_frame_ticker_gives_the_rolling_figures() -> None:
    figures = Ticker(
        broker="binance",
        symbol="BTCUSDT",
        time_us=1_700_000_000_500_000,
        received_us=RECEIVED_US,
        last=37123.45,
        open=37243.95,
        high=37500.0,
        low=36800.0,
        volume=25000.5,
        quote_volume=930000000.125,
    )

    assert parse(shape_frames("24hrTicker")[0]) == figures
    assert parse(shape_frames("24hrMiniTicker")[0]) == figures


def test_parse_frame_recorded_ticker_gives_the_rolling_figures() -> None:
    ticker = parse(shape_frames("24hrTicker")[1])

    assert isinstance(ticker, Ticker)
    assert (ticker.symbol, ticker.last) == ("ETHBTC", 0.091772)
    assert (ticker.volume, ticker.quote_volume) == (287542.792, 26334.24227973)


def test_parse_frame_partial_depth_takes_the_symbol_from_the_stream() -> None:
    (book,) = map(parse, shape_frames("depth5"))

    assert book == OrderBook(
        broker="binance",
        symbol="BTCUSDT",
        time_us=RECEIVED_US,
        received_us=RECEIVED_US,
        bids=((37123.44, 3.2), (37123.4, 0.1)),
        asks=((37123.45, 0.75), (37123.5, 1.0)),
        is_snapshot=True,
        last_id=41000000002,
    )


def test_parse_frame_depth_update_gives_the_changed_levels() -> None:
    (book,) = map(parse, shape_frames("depthUpdate"))

    assert book == OrderBook(
        broker="binance",
        symbol="BTCUSDT",
        time_us=1_700_000_000_600_000,
        received_us=RECEIVED_US,
        bids=((37123.4, 0.0),),
        asks=((37123.55, 2.0),),
        is_snapshot=False,
        first_id=41000000003,
        last_id=41000000007,
    )


def test_parse_frame_kline_gives_a_candle_of_trades() -> None:
    candle, three_minutes = map(parse, shape_frames("kline"))

    assert candle == Candle(
        broker="binance",
        symbol="BTCUSDT",
        time_us=1_700_000_000_000_000,
        received_us=RECEIVED_US,
        timeframe=Timeframe.S1,
        price_side=PriceSide.TRADE,
        open=37123.45,
        high=37123.5,
        low=37123.4,
        close=37123.46,
        volume=0.525,
        ticks=7,
        is_final=True,
    )
    assert three_minutes == Ignored(IgnoredReason.UNKNOWN_EVENT, "kline_3m")


def test_parse_frame_replies_give_the_request_number() -> None:
    assert list(map(parse, shape_frames("ack"))) == [Ack(1), Ack(2), Ack(3)]
    assert list(map(parse, shape_frames("error"))) == [
        Refusal(4, 2, "Invalid request: streams must be an array"),
        Refusal(None, 3, "Invalid JSON"),
    ]


def test_parse_frame_server_shutdown_is_known_wrapped_and_raw() -> None:
    assert list(map(parse, shape_frames("serverShutdown"))) == [Shutdown(), Shutdown()]


def test_parse_frame_other_events_are_ignored_by_name() -> None:
    (event,) = map(parse, shape_frames("unknown"))
    array = parse(shape_frames("24hrMiniTicker")[1])

    assert event == Ignored(IgnoredReason.UNKNOWN_EVENT, "avgPrice")
    assert array == Ignored(IgnoredReason.UNKNOWN_EVENT, "")


def test_parse_frame_unknown_symbol_is_ignored_by_name() -> None:
    found = parse_frame(shape_frames("trade")[0].encode(), RECEIVED_US, {})

    assert found == Ignored(IgnoredReason.UNKNOWN_SYMBOL, "BTCUSDT")


def test_parse_frame_symbol_becomes_canonical() -> None:
    frame = shape_frames("trade")[0].encode()

    trade = parse_frame(frame, RECEIVED_US, {"BTCUSDT": "XBTUSDT"})

    assert isinstance(trade, Trade)
    assert trade.symbol == "XBTUSDT"


@pytest.mark.parametrize(
    ("field", "value"),
    [("p", '"inf"'), ("p", '"nan"'), ("p", '"-1"'), ("p", '"0"'), ("p", "null"),
     ("p", '""'), ("q", '"1e999"'), ("T", "1700000000123456"), ("T", "12"),
     ("T", "1e99"), ("t", "-1"), ("t", "18446744073709551616"), ("m", '"perhaps"'),
     ("s", "7"), ("e", "null")],
)  # fmt: skip
def test_parse_frame_unusable_value_is_malformed(field: str, value: str) -> None:
    payload = json.loads(shape_frames("trade")[1])
    rest = json.dumps({key: payload[key] for key in payload if key != field})

    with pytest.raises(MalformedFrame) as raised:
        parse(f'{{"{field}":{value},{rest[1:]}')

    assert raised.value.broker == "binance"


@pytest.mark.parametrize(
    ("shape", "key"),
    [("trade", "T"), ("aggTrade", "T"), ("depthUpdate", "E"), ("24hrTicker", "E")],
)
def test_parse_frame_time_far_ahead_of_our_clock_is_malformed(
    shape: str, key: str
) -> None:
    frame = json.loads(shape_frames(shape)[0])
    payload = frame.get("data", frame)
    day_ms = RECEIVED_US // 1_000 + 86_400_000

    payload[key] = day_ms
    assert parse(json.dumps(payload)).time_us == day_ms * 1_000
    payload[key] = day_ms + 1
    with pytest.raises(MalformedFrame, match="a day ahead"):
        parse(json.dumps(payload))


@pytest.mark.parametrize("frame", ["", "x", "7", "null", '"a"', '{"data":{}', "{" * 50])
def test_parse_frame_garbage_is_malformed(frame: str) -> None:
    with pytest.raises(MalformedFrame):
        parse(frame)


def test_parse_frame_deep_nesting_is_malformed() -> None:
    with pytest.raises(MalformedFrame):
        parse('{"x":' + "[" * 100_000)


def test_parse_frame_recordings_give_every_number_as_sent() -> None:
    kinds: Counter[str] = Counter()
    for frame in recorded_frames():
        data = json.loads(frame)["data"]
        record = parse(frame)
        kinds[type(record).__name__] += 1

        if isinstance(record, Tick):
            sizes = (record.bid_size, record.ask_size)
            assert (record.bid, record.ask) == (float(data["b"]), float(data["a"]))
            assert sizes == (float(data["B"]), float(data["A"]))
        elif isinstance(record, Trade):
            assert (record.trade_id, record.time_us) == (data["a"], data["T"] * 1000)
            assert (record.price, record.size) == (float(data["p"]), float(data["q"]))
            assert (record.side is Side.SELL) == data["m"]
        elif isinstance(record, OrderBook):
            assert (record.first_id, record.last_id) == (data["U"], data["u"])
            assert (record.bids, record.asks) == (levels(data["b"]), levels(data["a"]))
        else:
            assert isinstance(record, Candle)
            assert record.close == float(data["k"]["c"])
        assert record.symbol == data["s"] if "s" in data else True

    assert kinds == {"OrderBook": 1160, "Tick": 982, "Trade": 52, "Candle": 37}


def test_parse_frame_damaged_copies_parse_or_are_malformed() -> None:
    chance = random.Random(5)

    for frame in (recorded_frames() + shape_frames()) * 2:
        damaged = bytearray(frame.encode())
        place, length = chance.randrange(len(damaged)), chance.randrange(1, 20)
        match chance.randrange(4):
            case 0:
                del damaged[place:]
            case 1:
                damaged[place] = chance.randrange(256)
            case 2:
                del damaged[place : place + length]
            case 3:
                damaged[place:place] = damaged[-length:]

        with contextlib.suppress(MalformedFrame):  # any other error fails the test
            parse_frame(bytes(damaged), RECEIVED_US, KNOWN)
