"""Decoding answers of the JSON API: a recorded one, made ones, damaged ones."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer import bi5
from importer.exceptions import DamagedFile
from importer.hours import HOUR_MS
from importer.jetta import decode_ticks
from tests.importer.bi5_files import DAY_US, PAYLOADS, encode, tick_file
from tests.importer.jetta_answers import answer

RECORDED = (PAYLOADS / "ticks-BTC-USD-2023-2-20-12.json").read_bytes()
RECORDED_US = 1_676_894_400_000_000  # 2023-02-20T12:00:00Z
GOOD = {
    "timestamp": DAY_US // 1_000,
    "multiplier": 1e-05,
    "ask": 1.14545,
    "bid": 1.14543,
    "times": [994, 0, 5],
    "asks": [0, 1, -2],
    "bids": [0, 0, 3],
    "askVolumes": [1000000.0, 0.0, 2060000.0],
    "bidVolumes": [2060000.0, 1, 5.5],
}


def decode(changes: dict, hour_us: int = DAY_US):
    return decode_ticks(json.dumps(GOOD | changes).encode(), hour_us, name="here")


def test_decode_ticks_of_the_recorded_hour_equals_its_bi5_file():
    ticks = decode_ticks(RECORDED, RECORDED_US, name="here")
    file = bi5.decode_ticks(
        tick_file(12, "2023-02-20", "BTCUSD"), RECORDED_US, price_scale=10, name="file"
    )

    assert len(ticks) == 8_523
    for column in ("time_us", "bid", "ask"):
        assert np.array_equal(getattr(ticks, column), getattr(file, column))
    # The file has sizes of coins in whole units, half a unit to the even one.
    for column in ("bid_size", "ask_size"):
        units = (getattr(ticks, column) * 1e6).round(2)
        whole = (np.rint(units) / 1e6).astype(np.float32)
        assert np.array_equal(whole.astype(np.float64), getattr(file, column))


def test_decode_ticks_adds_the_deltas_to_the_base():
    ticks = decode({})

    assert ticks.time_us.tolist() == [DAY_US + ms * 1_000 for ms in (994, 994, 999)]
    assert ticks.ask.tolist() == [1.14545, 1.14546, 1.14544]
    assert ticks.bid.tolist() == [1.14543, 1.14543, 1.14546]
    assert ticks.ask_size.tolist() == [1.0, 0.0, float(np.float32(2.06))]
    assert ticks.bid_size.tolist()[1] == float(np.float32(1e-6))


def test_decode_ticks_leaves_odd_prices_and_sizes_to_the_quality_gate():
    ticks = decode({"bids": [0, -114_543, -1], "askVolumes": [1, -1e6, 1]})

    assert ticks.bid.tolist() == [1.14543, 0, -0.00001]
    assert ticks.ask_size.tolist()[1] == -1


def test_decode_ticks_of_an_hour_without_ticks_gives_none():
    columns = ("times", "asks", "bids", "askVolumes", "bidVolumes")

    ticks = decode({"ask": None, "bid": None} | dict.fromkeys(columns, []))

    assert len(ticks) == len(ticks.bid) == len(ticks.bid_size) == 0


ROWS = st.lists(
    st.tuples(
        st.integers(0, HOUR_MS - 1),
        st.integers(1, 2**32 - 1),
        st.integers(1, 2**32 - 1),
        st.floats(0, 1e6, width=32),
        st.floats(0, 1e6, width=32),
    ),
    max_size=30,
)


@given(rows=ROWS, scale=st.sampled_from([1, 10, 100, 1_000, 100_000, 1_000_000]))
def test_decode_ticks_equals_the_bi5_file_with_the_same_rows(rows, scale):
    rows = sorted(rows, key=lambda row: row[0])

    ticks = decode_ticks(answer(rows, DAY_US, scale), DAY_US, name="here")

    file = bi5.decode_ticks(encode(rows), DAY_US, price_scale=scale, name="file")
    for column in ("time_us", "bid", "ask", "bid_size", "ask_size"):
        assert np.array_equal(getattr(ticks, column), getattr(file, column)), column


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"asks": [0, 1]}, "expected 3 asks, as times, found 2"),
        ({"bidVolumes": []}, "expected 3 bid_volumes, as times, found 0"),
        ({"times": [0, -1, 5]}, r"Expected `int` >= 0 - at `\$.times"),
        ({"times": [0, "1", 5]}, "Expected `int`, got `str`"),
        ({"times": [0, 3_599_999, 1]}, "ticks of one hour, found 3600000 ms after"),
        ({"askVolumes": [1, 1e31, 1]}, "Expected `float` <= 1e"),
        ({"bids": [0, 2**33, 0]}, "Expected `int` <= 4294967295"),
        ({"ask": None}, "expected a base ask beside 3 ticks, found none"),
        ({"bid": 1.145435}, "expected a base bid of whole points of 1e-05, found 1.14"),
        (
            {"bid": 42949.67296},
            "expected a base bid of whole points of 1e-05, found 42",
        ),
        ({"multiplier": 0}, r"Expected `float` > 0.0 - at `\$.multiplier"),
        ({"multiplier": 10}, "Expected `float` <= 1.0"),
        ({"timestamp": DAY_US // 1_000 - 1}, "expected a timestamp from 1549238400000"),
        ({"timestamp": None}, "Expected `int`, got `null`"),
    ],
)
def test_decode_ticks_of_a_wrong_answer_says_what_is_wrong(changes, message):
    with pytest.raises(DamagedFile, match=message) as caught:
        decode(changes)

    assert str(caught.value).endswith(" in here")


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"{}", b"<html></html>", RECORDED[:-1], RECORDED[:70_000]],
)
def test_decode_ticks_of_what_is_no_answer_raises(data):
    with pytest.raises(DamagedFile, match="expected an answer with columns of ticks"):
        decode_ticks(data, RECORDED_US, name="here")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999"])
def test_decode_ticks_of_numbers_that_are_none_raises(text):
    data = json.dumps(GOOD).replace("2060000.0", text).encode()

    with pytest.raises(DamagedFile, match="expected an answer with columns"):
        decode_ticks(data, DAY_US, name="here")


@given(cut=st.integers(0, len(RECORDED) - 1))
def test_decode_ticks_of_a_truncated_answer_raises(cut):
    with pytest.raises(DamagedFile):
        decode_ticks(RECORDED[:cut], RECORDED_US, name="here")
