"""What other systems publish, read and checked."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.exceptions import MalformedFrame
from brokers.redis.messages import (
    MAX_PAYLOAD_BYTES,
    gateway_name,
    gateway_symbol,
    is_stream_name,
    parse_envelope,
    parse_gateway_trade,
)
from marketdata.records import Foreign

TRADE = {
    "symbol": "AAPL",
    "price": 150.25,
    "volume": 100,
    "timestamp": 1_704_067_200_123,
    "conditions": ["@", "T"],
    "exchange": "NASDAQ",
}
# COMPAT.md B-04..B-06.
ENVELOPES = {
    "trade@TATA_INR": b'{"stream":"trade@TATA_INR","data":{"e":"trade","t":7,"m":true,'
    b'"p":"1000.50","q":"10","s":"TATA_INR"}}',
    "depth@TATA_INR": b'{"stream": "depth@TATA_INR", "data": {"a":[["1001.0","0"]],'
    b'"b":[],"e":"depth"}}',
    "ticker@TATA_INR": b'{"stream":"ticker@TATA_INR","data":{"c":"1000.5",'
    b'"s":"TATA_INR","e":"ticker"}}',
}


def dumps(**changes: object) -> bytes:
    values = {k: v for k, v in (TRADE | changes).items() if v is not ...}
    return json.dumps(values).encode()


@pytest.mark.parametrize(
    ("channel", "name"),
    [
        (b"channel:trade:AAPL", "trade:AAPL"),
        (b"channel:trade:aapl", "trade:AAPL"),
        (b"channel:trade:BRK.B", "trade:BRK.B"),
        (b"channel:trade:0123456789", "trade:0123456789"),
        (b"channel:trade:01234567890", None),
        (b"channel:trade:", None),
        (b"channel:trade:A:B", None),
        (b"channel:trade", None),
    ],
)
def test_gateway_name_is_of_three_parts_in_capitals(
    channel: bytes, name: str | None
) -> None:
    assert gateway_name(channel) == name


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("trade:AAPL", "AAPL"),
        ("trade:A:B", None),
        ("trade:", None),
        ("trade@TATA_INR", None),
        ("AAPL", None),
        ("trade:01234567890", None),
    ],
)
def test_gateway_symbol_is_what_follows_the_kind(name: str, symbol: str | None) -> None:
    assert gateway_symbol(name) == symbol


@pytest.mark.parametrize("name", ["trade@X", "depth@TATA_INR", "ticker@a.b-c"])
def test_is_stream_name_of_server_b(name: str) -> None:
    assert is_stream_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "internal",
        "trade:AAPL",
        "trade@",
        "kline@X",
        "xtrade@X",
        "trade@X Y",
        "trade@X\n",
        "TRADE@X",
        "trade@" + "X" * 65,
    ],
)
def test_is_stream_name_refuses_every_other_channel(name: str) -> None:
    assert not is_stream_name(name)


def test_parse_gateway_trade_keeps_the_fields_of_the_protocol_in_order() -> None:
    record = parse_gateway_trade("trade:AAPL", dumps(extra={"a": 1}, side="buy"), 7)

    assert record == Foreign(
        broker="redis",
        symbol="trade:AAPL",
        time_us=1_704_067_200_123_000,
        received_us=7,
        payload=b'{"symbol":"AAPL","price":150.25,"volume":100,'
        b'"timestamp":1704067200123,"conditions":["@","T"],"exchange":"NASDAQ"}',
    )


@pytest.mark.parametrize("absent", [..., None])
def test_parse_gateway_trade_without_optional_fields_omits_them(absent: object) -> None:
    payload = dumps(conditions=absent, exchange=absent)

    assert json.loads(parse_gateway_trade("trade:AAPL", payload, 7).payload) == {
        "symbol": "AAPL",
        "price": 150.25,
        "volume": 100,
        "timestamp": 1_704_067_200_123,
    }


def test_parse_gateway_trade_puts_the_symbol_in_capitals() -> None:
    record = parse_gateway_trade("trade:AAPL", dumps(symbol="aapl"), 7)

    assert json.loads(record.payload)["symbol"] == "AAPL"


@pytest.mark.parametrize("timestamp", [-1, 1e18])
def test_parse_gateway_trade_whose_time_is_none_takes_ours(timestamp: float) -> None:
    assert parse_gateway_trade("trade:AAPL", dumps(timestamp=timestamp), 7).time_us == 7


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"garbage",
        b"\xff\xfe",
        b"[" * 10_000,
        dumps(price="150.25"),
        dumps(price=None),
        dumps(price=True),
        dumps(volume=...),
        dumps(timestamp="now"),
        dumps(symbol=7),
        dumps(symbol=...),
        dumps(conditions=[1]),
        dumps(exchange=3),
        dumps(exchange="x" * MAX_PAYLOAD_BYTES),
        b'{"symbol":"AAPL","price":NaN,"volume":1,"timestamp":1}',
    ],
)
def test_parse_gateway_trade_of_anything_else_is_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedFrame, match="redis sent a frame we cannot read"):
        parse_gateway_trade("trade:AAPL", payload, 7)


@pytest.mark.parametrize("name", ENVELOPES)
def test_parse_envelope_leaves_the_text_as_it_is(name: str) -> None:
    assert parse_envelope(name, ENVELOPES[name], 7) == Foreign(
        broker="redis",
        symbol=name,
        time_us=7,
        received_us=7,
        payload=ENVELOPES[name],
    )


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"garbage",
        b'{"stream":"trade@X"}',
        b'{"stream":"trade@X","data":null}',
        b'{"stream":"trade@X","data":[]}',
        b'{"stream":"trade@X","data":{"a":NaN}}',
        b'{"stream":"trade@X","data":{"a":"\xff"}}',
        b'{"stream":"trade@X","data":{"a":' + b"[" * 10_000,
        b'{"stream":"depth@X","data":{}}',
        b'{"stream":"trade@X","data":{}} trailing',
        b'{"stream":"trade@X","data":{"a":"' + b"x" * MAX_PAYLOAD_BYTES + b'"}}',
    ],
)
def test_parse_envelope_of_anything_else_is_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedFrame):
        parse_envelope("trade@X", payload, 7)


@given(st.binary(max_size=200))
def test_parse_of_random_bytes_raises_nothing_else(payload: bytes) -> None:
    for parse, name in (
        (parse_gateway_trade, "trade:AAPL"),
        (parse_envelope, "trade@X"),
    ):
        try:
            parse(name, payload, 7)
        except MalformedFrame:
            continue
        msgspec.json.decode(payload)


NUMBERS = st.one_of(
    st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False)
)


@given(price=NUMBERS, volume=NUMBERS, timestamp=st.integers(0, 2**53))
def test_parse_gateway_trade_changes_no_number(
    price: float, volume: float, timestamp: int
) -> None:
    payload = dumps(price=price, volume=volume, timestamp=timestamp)

    found = json.loads(parse_gateway_trade("trade:AAPL", payload, 7).payload)

    assert (found["price"], found["volume"]) == (price, volume)
    assert found["timestamp"] == timestamp
