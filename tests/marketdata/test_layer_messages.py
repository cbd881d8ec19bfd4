import msgspec
import pytest

from marketdata.exceptions import InvalidLayerMessage
from marketdata.layer_messages import (
    Beat,
    Demand,
    Gaps,
    NumberedRecords,
    ToldGap,
    TopicState,
    beat_group,
    decode_message,
    demand_group,
    encode_message,
)
from marketdata.records import Kind
from marketdata.topics import topic_of
from tests.marketdata.samples import BOOK, CANDLE, FOREIGN, TICK, TICKER, TRADE

MESSAGES = [
    NumberedRecords(7, 17, [TICK, TRADE, BOOK, TICKER, CANDLE, FOREIGN], 12),
    TopicState(7, 17, 12, True, True, TICK),
    TopicState(7, 0, 0, False, False),
    Beat("binance", 7, True, {"md.tick.binance.BTCUSDT": 12}),
    Gaps("binance", 7, [ToldGap(Kind.TRADE, "BTCUSDT", 5, None, "lost")]),
    Demand("3f9a0c21", [topic_of(TICK), topic_of(CANDLE)], [topic_of(CANDLE)]),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_message_survives_the_layers_serializer(message):
    packed = msgspec.msgpack.encode(encode_message(message))

    assert decode_message(msgspec.msgpack.decode(packed)) == message


@pytest.mark.parametrize(
    "message",
    [
        {"type": "market"},
        {"type": "market", "body": 5},
        {"type": "market", "body": b"\xc1"},
        {"type": "market", "body": b""},
        {"type": "market", "body": msgspec.msgpack.encode(["market.other", 1])},
    ],
)
def test_decode_message_of_something_else_raises(message):
    with pytest.raises(InvalidLayerMessage):
        decode_message(message)


def test_groups_of_a_broker_differ_from_each_other_and_from_another_brokers():
    groups = {
        make(broker) for make in (beat_group, demand_group) for broker in ("a", "b")
    }

    assert len(groups) == 4
