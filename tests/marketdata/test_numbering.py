import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.numbering import (
    EPOCH_ORIGIN_S,
    epoch_text,
    next_epoch,
    pack,
    parse_epoch,
    unpack,
)

epochs = st.integers(0, 2**31 - 1)
numbers = st.integers(0, 2**32 - 1)


@given(epochs, numbers)
def test_unpack_returns_what_was_packed(epoch, number):
    assert unpack(pack(epoch, number)) == (epoch, number)


@given(st.tuples(epochs, numbers), st.tuples(epochs, numbers))
def test_pack_keeps_order(one, other):
    assert (pack(*one) < pack(*other)) == (one < other)


def test_pack_largest_fits_into_a_bigint():
    assert pack(2**31 - 1, 2**32 - 1) == 2**63 - 1


@given(epochs)
def test_parse_epoch_returns_the_epoch_of_its_text(epoch):
    assert parse_epoch(epoch_text(epoch)) == epoch


def test_epoch_text_is_base_36():
    assert [epoch_text(epoch) for epoch in (0, 35, 36, 217_000_000)] == [
        "0",
        "z",
        "10",
        "3l729s",
    ]


def test_next_epoch_is_seconds_since_2020():
    assert next_epoch(0, EPOCH_ORIGIN_S + 12.9) == 12


def test_next_epoch_after_a_clock_set_back_still_rises():
    assert next_epoch(500, EPOCH_ORIGIN_S + 12.9) == 501


def test_parse_epoch_of_other_text_raises():
    with pytest.raises(ValueError, match="invalid literal"):
        parse_epoch("2k-x9")
