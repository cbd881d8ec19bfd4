import msgspec
import pytest

from marketdata.codes import StatusCode
from marketdata.encodings import Notice
from marketdata.frames import unified
from marketdata.frames.unified import UNIFIED_ENCODING
from marketdata.topics import topic_of
from tests.marketdata.samples import (
    BOOK,
    BTCUSDT,
    CANDLE,
    EURUSD,
    FOREIGN,
    TICK,
    TICKER,
    TRADE,
    tick,
)


def decode(record, instrument=BTCUSDT, **options):
    frame = UNIFIED_ENCODING.data(record, instrument, number=17, epoch="3l7", **options)
    return msgspec.json.decode(frame)


def test_encode_data_of_a_tick_is_these_bytes():
    assert UNIFIED_ENCODING.data(TICK, BTCUSDT, number=1041, epoch="2k3x9") == (
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
            "price": "mid",
        },
    }


def test_encode_data_of_simulated_data_says_so():
    assert decode(tick(simulated=True))["simulated"] is True
    assert "simulated" not in decode(TICK)


def test_encode_data_of_a_snapshot_says_so():
    assert decode(TICK, phase="snapshot")["phase"] == "snapshot"
    assert "phase" not in decode(TICK)


def test_data_of_a_record_after_skipped_ones_counts_them():
    assert decode(TICK, skipped=4)["skipped"] == 4
    assert "skipped" not in decode(TICK)


def test_data_of_a_record_that_was_not_published_live_has_no_number():
    frame = UNIFIED_ENCODING.data(
        TICK, BTCUSDT, number=None, epoch=None, phase="history"
    )

    assert msgspec.json.decode(frame).keys() == {
        "type",
        "broker",
        "symbol",
        "data",
        "phase",
    }


@pytest.mark.parametrize("record", [TICKER, FOREIGN])
def test_data_of_other_dialects_records_is_none(record):
    assert UNIFIED_ENCODING.data(record, BTCUSDT, number=1, epoch="1") is None


def test_notice_names_what_is_missing_of_which_topic():
    notice = Notice(
        StatusCode.GAP,
        topic_of(TICK),
        "2 records were lost",
        1_704_153_600_123_456,
        1_704_153_601_000_000,
    )

    assert msgspec.json.decode(UNIFIED_ENCODING.notice(notice, BTCUSDT)) == {
        "type": "status",
        "code": "GAP",
        "broker": "binance",
        "symbol": "BTC/USDT",
        "data_type": "tick",
        "from": 1_704_153_600_123,
        "to": 1_704_153_601_000,
        "message": "2 records were lost",
    }


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
    frame = unified.encode_heartbeat(
        1_704_153_600_123_456, sent=5, queued_bytes=9, skipped=3
    )

    assert frame == (
        b'{"type":"heartbeat","timestamp":1704153600123,"sent":5,"queued_bytes":9,'
        b'"skipped":3}'
    )
