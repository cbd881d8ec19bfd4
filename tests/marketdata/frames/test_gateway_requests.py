import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.frames.gateway_requests import (
    Ping,
    Refusal,
    Subscribe,
    Unsubscribe,
    parse_request,
)


def parse(text):
    return parse_request(text, max_symbols=5)


def parse_fields(**fields):
    return parse(json.dumps(fields))


def test_parse_subscribe_has_upper_case_symbols_each_once_in_order():
    request = parse_fields(action="subscribe", symbols=["tsla", "AAPL", "TSLA", " x "])

    assert request == Subscribe(("TSLA", "AAPL", " X "))


def test_parse_unsubscribe_can_name_more_than_the_limit():
    symbols = [f"S{number}" for number in range(100)]

    assert parse_fields(action="unsubscribe", symbols=symbols) == Unsubscribe(
        tuple(symbols)
    )


def test_parse_ping_ignores_other_fields():
    assert parse_fields(action="ping", symbols=7) == Ping()


def test_parse_request_of_a_binary_frame_is_that_of_its_text():
    assert parse(b'{"action":"ping"}') == Ping()


@pytest.mark.parametrize("text", ["null", "[]", "7", '"ping"', "{}"])
def test_compat_71_no_action_is_missing(text):
    assert parse(text) == Refusal(
        "Invalid message format: missing action field", is_malformed=True
    )


@pytest.mark.parametrize("action", [None, "", 7, ["ping"], True])
def test_compat_71_an_action_that_is_no_text_is_missing(action):
    assert parse_fields(action=action) == Refusal(
        "Invalid message format: missing action field", is_malformed=True
    )


def test_compat_71_another_action_is_unknown():
    assert parse_fields(action="foo") == Refusal(
        "Unknown action: foo", is_malformed=True
    )
    assert parse_fields(action="x" * 100).message == "Unknown action: " + "x" * 40


@pytest.mark.parametrize(
    ("symbols", "found"),
    [
        (None, "symbols: expected a list of at least one symbol, found none"),
        ([], "symbols: expected a list of at least one symbol, found none"),
        ("AAPL", "symbols: expected a list of texts, found 'AAPL'"),
        (["AAPL", 7], "symbols[1]: expected a text, found 7"),
        ([""], "symbols[0]: expected 1 to 10 characters, found ''"),
        (["A" * 11], "symbols[0]: expected 1 to 10 characters, found 'AAAAAAAAAAA'"),
    ],
)
@pytest.mark.parametrize("action", ["subscribe", "unsubscribe"])
def test_compat_71_bad_symbols_are_named_in_words(action, symbols, found):
    assert parse_fields(action=action, symbols=symbols) == Refusal(
        f"Invalid {action} message: {found}"
    )


def test_compat_71_more_symbols_than_allowed_are_a_bad_message():
    assert parse_fields(action="subscribe", symbols=["A"] * 6) == Refusal(
        "Invalid subscribe message: symbols: expected at most 5 items, found 6"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "JSON is malformed: invalid character (byte 0)"),
        (b"\xff", "JSON is malformed: invalid character (byte 0)"),
        ("", "Input data was truncated"),
    ],
)
def test_compat_71_what_is_no_json_is_answered_in_the_parsers_words(text, message):
    assert parse(text) == Refusal(message, is_malformed=True)


@given(st.text() | st.binary())
def test_parse_request_of_anything_never_raises(text):
    parse(text)
