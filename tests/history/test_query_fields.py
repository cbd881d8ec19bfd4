"""Times in queries; the other fields are tested with the queries that have them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from history.query_fields import InvalidValue, time_parser

T0 = 1_704_153_600


@pytest.mark.parametrize(
    ("text", "time_us"),
    [
        ("0", 0),
        ("1704153600", T0 * 1_000_000),
        ("99999999999", 99_999_999_999_000_000),
        ("2024-01-02T00:00:00Z", T0 * 1_000_000),
        ("2024-01-02T01:00:00+01:00", T0 * 1_000_000),
        ("2024-01-02T01:00:00 01:00", T0 * 1_000_000),
        ("2024-01-02T00:00:00", T0 * 1_000_000),
        ("2024-01-02 00:00:00", T0 * 1_000_000),
        ("2024-01-02", T0 * 1_000_000),
        ("2024-01-02T00:00:00.123456Z", T0 * 1_000_000 + 123_456),
    ],
)
def test_time_parser_reads_seconds_and_iso(text, time_us):
    assert time_parser("from")(text) == time_us


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "",
        "-1",
        "1.5",
        "1e9",
        " 1704153600",
        "1704153600\n",
        "NaN",
        "٣",
        "2024-13-01",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
    ],
)
@pytest.mark.parametrize("name", ["from", "to"])
def test_time_parser_of_what_is_no_time_names_the_field(name, text):
    with pytest.raises(InvalidValue, match=f"^{name} must be a Unix timestamp in sec"):
        time_parser(name)(text)


@pytest.mark.parametrize("text", ["1704153600000", "170415360000", "9" * 400])
def test_time_parser_of_milliseconds_says_that_seconds_are_meant(text):
    with pytest.raises(InvalidValue) as caught:
        time_parser("from")(text)

    assert str(caught.value) == (
        "from must be a Unix timestamp in seconds, "
        f"found {len(text)} digits: divide milliseconds by 1000"
    )


@given(st.text())
def test_time_parser_answers_any_text_with_a_time_or_validation_error(text):
    try:
        time_us = time_parser("from")(text)
    except InvalidValue:
        return

    assert 0 <= time_us <= 99_999_999_999_000_000
