"""Decoding of `.bi5` files: real ones, damaged ones, made ones."""

import json
import lzma

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.bi5 import decode_ticks
from importer.exceptions import DamagedFile
from tests.importer.bi5_files import (
    DAY_TICKS,
    DAY_US,
    HOUR_US,
    PAYLOADS,
    compress,
    encode,
    tick_file,
)

ROWS = [(994, 114545, 114543, 1.0, 2.0), (1271, 114546, 114544, 1.0, 1.0)]


def decode(data, scale=100_000):
    return decode_ticks(data, DAY_US, price_scale=scale, name="00h")


def test_decode_ticks_of_a_real_hour_equals_the_known_answer():
    known = json.loads((PAYLOADS / "decoded_raw_tick.json").read_text())["records"]

    ticks = decode(tick_file(0))

    assert len(ticks) == len(known) == 3_733
    assert (ticks.time_us - DAY_US).tolist() == [row[0] * 1_000 for row in known]
    assert ticks.ask.tolist() == [row[1] / 100_000 for row in known]
    assert ticks.bid.tolist() == [row[2] / 100_000 for row in known]
    assert ticks.ask_size.tolist() == [row[3] for row in known]
    assert ticks.bid_size.tolist() == [row[4] for row in known]


def test_decode_ticks_of_a_real_day_equals_its_totals():
    hours = [decode(tick_file(hour)) for hour in range(24)]

    bid = np.concatenate([hour.bid for hour in hours])
    ask = np.concatenate([hour.ask for hour in hours])

    assert len(bid) == DAY_TICKS
    assert [bid[0], bid.max(), bid.min(), bid[-1]] == [
        1.14543, 1.14603, 1.14244, 1.14349,
    ]  # fmt: skip
    assert [ask[0], ask.max(), ask.min(), ask[-1]] == [
        1.14545, 1.14605, 1.14246, 1.14355,
    ]  # fmt: skip
    assert sum(hour.bid_size.sum() for hour in hours) == pytest.approx(367_141.98)
    assert sum(hour.ask_size.sum() for hour in hours) == pytest.approx(361_437.46)


def test_decode_ticks_of_another_instrument_uses_its_scale():
    data = tick_file(12, "2023-02-20", "BTCUSD")

    ticks = decode(data, scale=10)

    assert len(ticks) == 8_523
    assert (ticks.ask[0], ticks.bid[0]) == (24_921.5, 24_849.4)
    assert ticks.ask_size[0] == np.float32(1e-6)


def test_decode_ticks_of_an_empty_file_gives_none():
    assert len(decode(b"")) == 0
    assert len(decode(compress(b""))) == 0
    assert len(decode((PAYLOADS / "empty.bi5").read_bytes())) == 0


def test_decode_ticks_of_a_stream_of_unknown_length_is_accepted():
    content = lzma.decompress(encode(ROWS))

    ticks = decode(lzma.compress(content, format=lzma.FORMAT_ALONE))

    assert ticks.ask.tolist() == [1.14545, 1.14546]


def test_decode_ticks_keeps_crossed_rows_and_equal_times_in_order():
    ticks = decode(encode([(5, 100, 101, 1, 1), (5, 102, 103, 1, 1)]), scale=1)

    assert ticks.time_us.tolist() == [DAY_US + 5_000, DAY_US + 5_000]
    assert ticks.ask.tolist() == [100.0, 102.0]
    assert ticks.bid.tolist() == [101.0, 103.0]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3_599_999),
            st.integers(1, 2**32 - 1),
            st.integers(1, 2**32 - 1),
            st.floats(0, 1e6, width=32),
            st.floats(0, 1e6, width=32),
        ),
        max_size=40,
    ),
    st.sampled_from([1, 10, 1_000, 100_000]),
    st.integers(0, 500_000),
)
@settings(deadline=None)
def test_decode_ticks_gives_back_what_was_encoded(rows, scale, hour):
    rows = sorted(rows, key=lambda row: row[0])

    ticks = decode_ticks(encode(rows), hour * HOUR_US, price_scale=scale, name="made")

    assert ticks.time_us.tolist() == [hour * HOUR_US + row[0] * 1_000 for row in rows]
    assert ticks.ask.tolist() == [row[1] / scale for row in rows]
    assert ticks.bid.tolist() == [row[2] / scale for row in rows]
    assert ticks.ask_size.tolist() == [row[3] for row in rows]
    assert ticks.bid_size.tolist() == [row[4] for row in rows]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"]\0\0", "expected 13 header bytes, found 3 bytes in 00h"),
        (
            b"<html>not here, says the proxy</html>",
            "expected an intact LZMA stream, found 37 bytes beginning "
            "b'<html>not he' (Input format not supported by decoder) in 00h",
        ),
        (
            compress(bytes(57)),
            "expected 20-byte rows, found 17 bytes left over in 00h",
        ),
        (
            encode(ROWS) + b"junk",
            "expected nothing behind the LZMA stream, found 4 bytes more in 00h",
        ),
        (
            encode([(3_600_000, 2, 1, 1, 1)]),
            "expected milliseconds below 3600000, found 3600000 in row 0 in 00h",
        ),
        (
            encode([ROWS[1], ROWS[0]]),
            "expected milliseconds in order, found 994 in row 1 in 00h",
        ),
    ],
)
def test_decode_ticks_of_a_damaged_file_says_what_was_expected(data, message):
    with pytest.raises(DamagedFile) as caught:
        decode(data)

    assert str(caught.value) == message


def test_decode_ticks_of_a_real_file_cut_anywhere_raises():
    data = tick_file(5)

    for length in [1, 12, 13, 14, 200, *range(1_000, len(data), 997), len(data) - 1]:
        with pytest.raises(DamagedFile):
            decode(data[:length])


def test_decode_ticks_of_half_a_file_names_both_lengths():
    data = tick_file(5)

    with pytest.raises(DamagedFile, match=r"expected 51600 bytes of rows, found \d"):
        decode(data[: len(data) // 2])


def test_decode_ticks_of_a_real_file_with_a_flipped_bit_raises():
    data = tick_file(5)

    # Not the dictionary's size (bytes 1 to 4): the rows do not depend on it.
    for position in [0, *range(5, 40), *range(40, len(data), 173), len(data) - 1]:
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        with pytest.raises(DamagedFile):
            decode(bytes(flipped))


def test_decode_ticks_of_a_file_that_asks_for_too_much_memory_raises():
    data = tick_file(5)
    greedy = data[:1] + (2**31).to_bytes(4, "little") + data[5:]

    with pytest.raises(DamagedFile, match="Memory usage limit exceeded"):
        decode(greedy)


def test_decode_ticks_of_a_file_that_swells_beyond_an_hour_raises():
    bomb = compress(bytes(20 * 3_600_000 + 20))

    with pytest.raises(DamagedFile, match="at most 72000000 bytes of rows, found more"):
        decode(bomb)
