import msgspec
import pytest

from marketdata.exceptions import InvalidLayerMessage
from marketdata.layer_messages import NumberedRecords, decode_message, encode_message
from tests.marketdata.samples import BOOK, CANDLE, TICK, TICKER, TRADE

BATCH = NumberedRecords(7, 17, [TICK, TRADE, BOOK, TICKER, CANDLE])


def test_decode_message_returns_what_was_encoded():
    assert decode_message(encode_message(BATCH)) == BATCH


def test_message_survives_the_layers_serializer():
    message = msgspec.msgpack.decode(msgspec.msgpack.encode(encode_message(BATCH)))

    assert decode_message(message) == BATCH


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "other"},
        {"records": b"\xc1"},
        {"records": b""},
        {"records": msgspec.msgpack.encode([["quote", 1]])},
        {"records": 5},
    ],
)
def test_decode_message_of_something_else_raises(changes):
    with pytest.raises(InvalidLayerMessage):
        decode_message(encode_message(BATCH) | changes)


def test_decode_message_without_keys_raises():
    with pytest.raises(InvalidLayerMessage):
        decode_message({"type": "market.data"})


def test_decode_message_with_wrong_types_of_numbers_raises():
    with pytest.raises(InvalidLayerMessage):
        decode_message(encode_message(BATCH) | {"first": "1"})
