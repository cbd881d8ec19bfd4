import msgspec
import pytest

from marketdata.frames import unified
from tests.marketdata.samples import (
    BOOK,
    BTCUSDT,
    CANDLE,
    EURUSD,
    TICK,
    TRADE,
    tick,
)


def decode(record, instrument=BTCUSDT, **options):
    frame = unified.encode_data(record, instrument, number=17, epoch="3l7", **options)
    return msgspec.json.decode(frame)


def test_encode_data_of_a_tick_is_these_bytes():
    assert unified.encode_data(TICK, BTCUSDT, number=1041, epoch="2k3x9") == (
        b'{"type":"data","broker":"binance","symbol":"BTC/USDT","seq":1041,'
        b'"epoch":"2k3x9","data":{"broker":"binance","symbol":"BTC/USDT",'
        b'"type":"tick","timestamp":1704153600123,"data":{"price":42000.115,'
        b'"bid":42000.11,"ask":42000.12,"bid_size":1.5,"ask_size":0.25,"volume":1.5}}}'
    )


def test_encode_data_of_a_tick_without_sizes_leaves_them_out():
    record = tick(bid=1.1, ask=1.2, bid_size=None, ask_size=None, symbol="EURUSD")

    inner = decode(record, EURUSD)["data"]

    assert inner["symbol"] == "EUR/USD"
    assert inner["data"] == {"price": 1.15, "bid": 1.1, "ask": 1.2}


def test_encode_data_rounds_prices_to_one_digit_more_than_the_instrument():
    record = tick(bid=1.123456789, ask=1.123456801, symbol="EURUSD")

    numbers = decode(record, EURUSD)["data"]["data"]

    assert (numbers["price"], numbers["bid"], numbers["ask"]) == (1.123457,) * 3


def test_encode_data_of_a_zero_size_keeps_it():
    assert decode(tick(bid_size=0.0))["data"]["data"]["bid_size"] == 0.0


def test_encode_data_of_a_trade():
    assert decode(TRADE) == {
        "type": "data",
        "broker": "binance",
        "symbol": "BTC/USDT",
        "seq": 17,
        "epoch": "3l7",
        "data": {
            "broker": "binance",
            "symbol": "BTC/USDT",
            "type": "trade",
            "timestamp": 1704153600123,
            "data": {
                "price": 42000.12,
                "volume": 0.015,
                "side": "buy",
                "id": 3298741234,
            },
        },
    }


def test_encode_data_of_a_trade_without_side_and_id_leaves_them_out():
    record = msgspec.structs.replace(TRADE, side=None, trade_id=None)

    assert decode(record)["data"]["data"] == {"price": 42000.12, "volume": 0.015}


def test_encode_data_of_an_order_book():
    assert decode(BOOK)["data"]["data"] == {
        "bids": [[42000.11, 1.5], [42000.1, 2.0]],
        "asks": [[42000.12, 0.25]],
        "snapshot": True,
    }


def test_encode_data_of_a_candle():
    assert decode(CANDLE)["data"] == {
        "broker": "binance",
        "symbol": "BTC/USDT",
        "type": "candle",
        "timestamp": 1704153600000,
        "data": {
            "open": 42000.0,
            "high": 42001.0,
            "low": 41999.5,
            "close": 42000.115,
            "volume": 12.5,
            "ticks": 7,
            "period": "1m",
            "final": False,
            "rev": 0,
        },
    }


def test_encode_data_of_simulated_data_says_so():
    assert decode(tick(simulated=True))["simulated"] is True
    assert "simulated" not in decode(TICK)


def test_encode_data_of_a_snapshot_says_so():
    assert decode(TICK, phase="snapshot")["phase"] == "snapshot"
    assert "phase" not in decode(TICK)


def test_encode_error_puts_the_id_first_and_leaves_none_out():
    assert unified.encode_error("X", "text", id=7, rejected=None) == (
        b'{"type":"error","id":7,"code":"X","message":"text"}'
    )


@pytest.mark.parametrize(
    ("request_id", "shown"), [(None, b""), (7, b'"id":7,'), ("a", b'"id":"a",')]
)
def test_encode_pong_echoes_the_id(request_id, shown):
    assert unified.encode_pong(request_id, 1_704_153_600_123_456) == (
        b'{"type":"pong",' + shown + b'"timestamp":1704153600123}'
    )


def test_encode_heartbeat():
    frame = unified.encode_heartbeat(1_704_153_600_123_456, sent=5, queued_bytes=9)

    assert frame == (
        b'{"type":"heartbeat","timestamp":1704153600123,"sent":5,"queued_bytes":9,'
        b'"skipped":0}'
    )
