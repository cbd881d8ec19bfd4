import pytest

from marketdata.codes import StatusCode
from marketdata.encodings import Notice
from marketdata.frames.gateway import (
    GATEWAY_ENCODING,
    GatewayEncoding,
    encode_error,
    encode_pong,
    encode_success,
)
from marketdata.records import Foreign
from marketdata.topics import topic_of
from tests.marketdata.samples import NOW_US, TICK, TRADE

AAPL = Foreign(
    broker="redis",
    symbol="trade:AAPL",
    time_us=NOW_US,
    received_us=NOW_US + 900,
    payload=b'{"symbol":"AAPL","price":150.25,"volume":100,"timestamp":1704153600120,'
    b'"conditions":["@","T"],"exchange":"NASDAQ"}',
)


def test_compat_72_a_trade_is_what_was_published_in_the_envelope():
    frame = GATEWAY_ENCODING.data(AAPL, None, number=3, epoch="2k3x9")

    assert frame == (
        b'{"type":"trade","data":{"symbol":"AAPL","price":150.25,"volume":100,'
        b'"timestamp":1704153600120,"conditions":["@","T"],"exchange":"NASDAQ"},'
        b'"timestamp":1704153600124}'
    )


@pytest.mark.parametrize("record", [TICK, TRADE])
def test_records_of_other_kinds_have_no_frames(record):
    assert GATEWAY_ENCODING.data(record, None, number=1, epoch="a") is None


def test_notices_have_no_frames():
    notice = Notice(StatusCode.FEED_DOWN, topic_of(AAPL), "the feed is silent")

    assert GATEWAY_ENCODING.notice(notice, None) is None


def test_encodings_are_equal():
    assert {GATEWAY_ENCODING, GatewayEncoding()} == {GATEWAY_ENCODING}


def test_encode_success_has_the_message_before_the_data():
    assert encode_success("done", {"subscribed": ["A"]}, NOW_US) == (
        b'{"type":"success","message":"done","data":{"subscribed":["A"]},'
        b'"timestamp":1704153600123}'
    )


def test_encode_error_and_pong_have_whole_milliseconds():
    assert encode_error("why", NOW_US) == (
        b'{"type":"error","message":"why","timestamp":1704153600123}'
    )
    assert encode_pong(NOW_US) == b'{"type":"pong","timestamp":1704153600123}'
