import json

import pytest

from marketdata.codes import StatusCode
from marketdata.encodings import Notice
from marketdata.frames.stream import ChannelEncoding, StreamEncoding, encoding_of
from marketdata.frames.stream_names import FORMS, find_stream
from marketdata.topics import topic_of
from tests.marketdata.samples import BOOK, BTCUSDT, FOREIGN, TICK, TRADE, catalog

EPOCH = "2k3x9"
RAW_TRADE = (
    b'{"e":"trade","E":1704153600124,"s":"BTCUSDT","t":3298741234,"p":"42000.12",'
    b'"q":"0.01500000","T":1704153600123,"m":false,"M":true}'
)


def encode(encoding, record, instrument=BTCUSDT, **options):
    options = {"number": 7, "epoch": EPOCH} | options
    return encoding.data(record, instrument, **options)


def test_raw_frame_is_the_payload():
    encoding = StreamEncoding(FORMS["trade"], is_combined=False)

    assert encode(encoding, TRADE) == RAW_TRADE


def test_combined_frame_has_the_name_of_the_stream():
    encoding = StreamEncoding(FORMS["trade"], is_combined=True)

    assert encode(encoding, TRADE) == (
        b'{"stream":"btcusdt@trade","data":' + RAW_TRADE + b"}"
    )


def test_combined_frame_of_a_form_with_speed_has_it_in_the_name():
    encoding = StreamEncoding(FORMS["depth5@100ms"], is_combined=True)

    assert encode(encoding, BOOK) == (
        b'{"stream":"btcusdt@depth5@100ms","data":{"lastUpdateId":12,'
        b'"bids":[["42000.11","1.50000000"],["42000.10","2.00000000"]],'
        b'"asks":[["42000.12","0.25000000"]]}}'
    )


def test_numbered_frame_says_where_it_is_in_the_topic():
    encoding = StreamEncoding(FORMS["trade"], is_combined=True, is_numbered=True)

    frame = json.loads(encode(encoding, TRADE, phase="snapshot", skipped=2))

    assert list(frame) == ["stream", "data", "seq", "epoch", "phase", "skipped"]
    assert list(frame.values())[2:] == [7, EPOCH, "snapshot", 2]


def test_numbered_frame_of_an_unpublished_record_has_no_number():
    encoding = StreamEncoding(FORMS["trade"], is_combined=True, is_numbered=True)

    frame = json.loads(encode(encoding, TRADE, number=None, epoch=None))

    assert list(frame) == ["stream", "data"]


@pytest.mark.parametrize(
    ("record", "instrument"), [(TICK, BTCUSDT), (TRADE, None), (FOREIGN, BTCUSDT)]
)
def test_frame_of_another_kind_or_without_an_instrument_is_none(record, instrument):
    encoding = StreamEncoding(FORMS["trade"], is_combined=True)

    assert encode(encoding, record, instrument) is None


def test_channel_frame_is_what_was_published():
    assert encode(ChannelEncoding(), FOREIGN, None) is FOREIGN.payload


def test_channel_frame_with_a_number_goes_on_behind_the_data():
    assert encode(ChannelEncoding(is_numbered=True), FOREIGN, None) == (
        b'{"stream":"trade@TATA_INR","data":{"e":"trade","p":"1000.5"},'
        b'"seq":7,"epoch":"2k3x9"}'
    )


def test_channel_frame_of_another_kind_is_none():
    assert encode(ChannelEncoding(), TRADE) is None


def test_notices_have_no_frames():
    notice = Notice(StatusCode.GAP, topic_of(TRADE), "records are missing")

    assert ChannelEncoding().notice(notice, None) is None
    assert StreamEncoding(FORMS["trade"], True).notice(notice, BTCUSDT) is None


@pytest.mark.parametrize("is_combined", [True, False])
@pytest.mark.parametrize("is_numbered", [True, False])
def test_encoding_of_equal_wishes_is_equal(is_combined, is_numbered):
    options = {"is_combined": is_combined, "is_numbered": is_numbered}
    lower, upper = (
        encoding_of(find_stream(name, catalog("binance")), **options)
        for name in ("btcusdt@trade", "BTC/USDT@trade")
    )

    assert lower == upper
    assert len({lower, upper}) == 1


def test_encoding_of_raw_streams_is_never_numbered():
    stream = find_stream("btcusdt@trade", catalog("binance"))

    encoding = encoding_of(stream, is_combined=False, is_numbered=True)

    assert encoding == StreamEncoding(FORMS["trade"], is_combined=False)


def test_encoding_of_a_channel_is_combined_anyway():
    stream = find_stream("trade@M", catalog())

    assert encoding_of(stream, is_combined=False, is_numbered=False) == encoding_of(
        stream, is_combined=True, is_numbered=False
    )
