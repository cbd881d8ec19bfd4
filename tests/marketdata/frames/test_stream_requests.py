import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.frames.stream_requests import (
    GetProperty,
    ListSubscriptions,
    Parsed,
    Property,
    Refusal,
    SetProperty,
    Subscribe,
    Unsubscribe,
    parse_request,
)


def parse(**fields):
    return parse_request(json.dumps(fields))


@pytest.mark.parametrize(
    ("fields", "request_"),
    [
        (
            {"method": "SUBSCRIBE", "params": ["btcusdt@trade", "trade@M"]},
            Subscribe(("btcusdt@trade", "trade@M")),
        ),
        ({"method": "SUBSCRIBE", "params": []}, Subscribe(())),
        ({"method": "UNSUBSCRIBE", "params": ["a@b"]}, Unsubscribe(("a@b",))),
        ({"method": "LIST_SUBSCRIPTIONS"}, ListSubscriptions()),
        ({"method": "LIST_SUBSCRIPTIONS", "params": []}, ListSubscriptions()),
        (
            {"method": "SET_PROPERTY", "params": ["combined", True]},
            SetProperty(Property.COMBINED, True),
        ),
        (
            {"method": "SET_PROPERTY", "params": ["snapshot", False]},
            SetProperty(Property.SNAPSHOT, False),
        ),
        ({"method": "GET_PROPERTY", "params": ["seq"]}, GetProperty(Property.SEQ)),
    ],
)
def test_parse_request_of_each_method(fields, request_):
    assert parse(**fields, id=1) == Parsed(1, request_)


@pytest.mark.parametrize(
    "request_id",
    [
        0,
        -1,
        2**63 - 1,
        -(2**63),
        "",
        "9d32157c-a556-4d27-9866-66760a174b57",
        None,
    ],
)
def test_parse_request_keeps_the_id(request_id):
    assert parse(method="LIST_SUBSCRIPTIONS", id=request_id).id == request_id


def test_parse_request_without_id_tells_it_from_null():
    assert parse(method="LIST_SUBSCRIPTIONS").id is msgspec.UNSET


@pytest.mark.parametrize("request_id", [1.5, True, [], {}, "x" * 37, 2**63])
def test_parse_request_with_a_bad_id_is_refused(request_id):
    assert parse(method="LIST_SUBSCRIPTIONS", id=request_id) == Parsed(
        None, Refusal(2, "Invalid request: request ID must be an unsigned integer")
    )


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"method": "SUBSCRIBE"}, 2, "Invalid request: streams must be an array"),
        (
            {"method": "SUBSCRIBE", "params": "a@b"},
            2,
            "Invalid request: streams must be an array",
        ),
        (
            {"method": "UNSUBSCRIBE", "params": None},
            2,
            "Invalid request: streams must be an array",
        ),
        (
            {"method": "SUBSCRIBE", "params": ["a@b", 1]},
            2,
            "Invalid request: stream names must be strings",
        ),
        (
            {"method": "SUBSCRIBE", "params": ["a@b"] * 1025},
            2,
            "Invalid request: too many parameters",
        ),
        (
            {"method": "LIST_SUBSCRIPTIONS", "params": ["x"]},
            2,
            "Invalid request: too many parameters",
        ),
        ({"method": "SET_PROPERTY", "params": ["x", True]}, 0, "Unknown property"),
        ({"method": "GET_PROPERTY", "params": ["x"]}, 0, "Unknown property"),
        (
            {"method": "SET_PROPERTY", "params": ["combined", 1]},
            1,
            "Invalid value type: expected Boolean",
        ),
        (
            {"method": "SET_PROPERTY", "params": ["combined"]},
            1,
            "Invalid value type: expected Boolean",
        ),
        (
            {"method": "SET_PROPERTY", "params": [True, "combined"]},
            2,
            "Invalid request: property name must be a string",
        ),
        (
            {"method": "GET_PROPERTY", "params": []},
            2,
            "Invalid request: property name must be a string",
        ),
        (
            {"method": "GET_PROPERTY", "params": {"combined": 1}},
            2,
            "Invalid request: property name must be a string",
        ),
        (
            {"method": "GET_PROPERTY", "params": ["combined", True]},
            2,
            "Invalid request: too many parameters",
        ),
    ],
)
def test_parse_request_with_bad_params_is_refused_with_the_id(fields, code, message):
    assert parse(**fields, id=5) == Parsed(5, Refusal(code, message))


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            "hello",
            3,
            "Invalid JSON: JSON is malformed: invalid character (byte 0)",
        ),
        ("", 3, "Invalid JSON: Input data was truncated"),
        (b'{"method":"LIST_SUBSCRIPTIONS"}', 3, "Invalid JSON: expected a text frame"),
        ("null", 2, "Invalid request: expected an object, found null"),
        ("[]", 2, "Invalid request: expected an object, found a list"),
        ("{}", 2, "Invalid request: missing field `method`"),
        ('{"method":null}', 2, "Invalid request: missing field `method`"),
        (
            '{"method":"FOO"}',
            2,
            "Invalid request: unknown variant `FOO`, expected one of `SUBSCRIBE`, "
            "`UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`",
        ),
        (
            '{"method":["SUBSCRIBE"]}',
            2,
            "Invalid request: unknown variant a list, expected one of `SUBSCRIBE`, "
            "`UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`",
        ),
    ],
)
def test_parse_request_of_what_is_none_is_malformed(text, code, message):
    parsed = parse_request(text)

    assert parsed.request == Refusal(code, message, is_malformed=True)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["method", "params", "id"]), inner)
        ),
    )
)
def test_parse_request_of_any_json_never_raises(value):
    assert isinstance(parse_request(json.dumps(value)), Parsed)
