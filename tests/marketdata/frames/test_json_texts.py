import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.frames.json_texts import decode_json


def test_decode_json_returns_plain_values():
    assert decode_json('{"a":[1,2.5,null,true,"x"]}') == {
        "a": [1, 2.5, None, True, "x"]
    }
    assert decode_json(b"[1]") == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "JSON is malformed: invalid character (byte 0)"),
        ("", "Input data was truncated"),
        ("[1", "Input data was truncated"),
        ("\ud800", "half of a UTF-16 surrogate pair"),
        ("[" * 100_000, "too many levels of nesting"),
    ],
)
def test_decode_json_of_what_is_none_says_why(text, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        decode_json(text)


@given(st.text() | st.binary())
def test_decode_json_raises_nothing_but_value_errors(text):
    with contextlib.suppress(ValueError):
        decode_json(text)


def test_decode_json_cuts_what_the_parser_quotes():
    with pytest.raises(ValueError, match="^.{1,200}$"):
        decode_json(b'{"a":"' + b"\xff" * 1_000 + b'"}')
