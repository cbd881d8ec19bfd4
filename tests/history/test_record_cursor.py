"""Cursors: opaque texts, checked."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from history.exceptions import InvalidCursor
from history.record_cursor import Position, decode_cursor, encode_cursor

FAR_US = 100_000_000_000_000_000


@given(time_us=st.integers(0, FAR_US), seq=st.integers(0, 2**63 - 1))
def test_decode_cursor_returns_what_was_encoded(time_us: int, seq: int) -> None:
    text = encode_cursor(Position(time_us, seq))

    assert decode_cursor(text) == Position(time_us, seq)
    assert len(text) == 24
    assert set(text) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "1704153600",
        "é" * 24,
        "A" * 24,
        "A" * 5000,
        encode_cursor(Position(5, 7))[:-1],
        encode_cursor(Position(5, 7)) + "AAAA",
        encode_cursor(Position(5, 7)) + "\n",
        encode_cursor(Position(5, 7)).swapcase(),
        encode_cursor(Position(-5, 7)),
        encode_cursor(Position(5, -7)),
        encode_cursor(Position(FAR_US + 1)),
    ],
)
def test_decode_cursor_of_another_text_raises(text: str) -> None:
    with pytest.raises(InvalidCursor, match="expected the cursor of an earlier page"):
        decode_cursor(text)


@given(st.text(max_size=40))
def test_decode_cursor_of_any_text_returns_or_raises(text: str) -> None:
    with suppress(InvalidCursor):
        assert encode_cursor(decode_cursor(text)) == text
