"""Layouts and lines of CSV files."""

import math

import pytest

from importer.csv_ticks import decode_ticks, find_layout
from importer.exceptions import DamagedFile, InvalidSource
from tests.importer.bi5_files import DAY_US

EXPORT = "Gmt time,Ask,Bid,AskVolume,BidVolume"


def decode(*lines: str, header: str = EXPORT, columns=None):
    layout = find_layout(header, columns or {}, name="a.csv")
    return decode_ticks(lines, layout, DAY_US, name="a.csv")


@pytest.mark.parametrize(
    "header",
    [
        EXPORT,
        "Time (UTC),Ask,Bid,AskVolume,BidVolume",
        "Time,Ask,Bid,AskVolume,BidVolume",
        "timestamp,askPrice,bidPrice,askVolume,bidVolume",
        '"time";"ask";"bid";"ask_size";"bid_size"',
        "UTC\tAsk\tBid\tAskVolume\tBidVolume",
    ],
)
def test_find_layout_knows_the_usual_names(header):
    layout = find_layout(header, {}, name="a.csv")

    expected = {"time": 0, "ask": 1, "bid": 2, "ask_size": 3, "bid_size": 4}
    assert (layout.positions, layout.has_header) == (expected, True)


def test_find_layout_takes_other_names_from_options():
    columns = {"time": "When", "ask": "A", "bid": "B"}

    layout = find_layout("x,B,When,A,Time", columns, name="a.csv")

    assert layout.positions == {"time": 2, "bid": 1, "ask": 3}


def test_find_layout_with_numbers_has_no_line_of_names():
    columns = {"time": "1", "bid": "2", "ask": "3"}

    layout = find_layout("2019-02-04 00:00:00;1.1;1.2", columns, name="a.csv")

    assert (layout.delimiter, layout.has_header) == (";", False)
    assert layout.positions == {"time": 0, "bid": 1, "ask": 2}


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        ("Date,Open", {}, "columns time, bid, ask in a.csv, found 'Date,Open'"),
        (EXPORT, {"bid": "Best"}, f"columns Best in a.csv, found '{EXPORT}'"),
        (EXPORT, {"bid_size": "no"}, f"columns no in a.csv, found '{EXPORT}'"),
        ("1,2", {"time": "1"}, "columns bid, ask in a.csv, found other columns"),
        ("1,2", {"time": "0", "bid": "1", "ask": "2"}, "columns from 1 in a.csv"),
    ],
)
def test_find_layout_without_a_column_says_which(header, columns, message):
    with pytest.raises(InvalidSource) as caught:
        find_layout(header, columns, name="a.csv")

    assert str(caught.value).startswith(f"expected {message}")


def test_decode_ticks_gives_times_prices_and_sizes_as_they_are():
    ticks = decode("04.02.2019 00:00:00.994,1.14545,1.14543,1,2.06")

    assert ticks.time_us.tolist() == [DAY_US + 994_000]
    assert (ticks.ask.tolist(), ticks.bid.tolist()) == ([1.14545], [1.14543])
    assert (ticks.ask_size.tolist(), ticks.bid_size.tolist()) == ([1.0], [2.06])


def test_decode_ticks_without_columns_of_sizes_leaves_them_unknown():
    ticks = decode("1549238400994,1.2,1.1", header="time,ask,bid")

    assert math.isnan(ticks.ask_size[0])
    assert math.isnan(ticks.bid_size[0])


def test_decode_ticks_sorts_by_time_and_keeps_the_lines_order_inside_a_moment():
    ticks = decode(
        "04.02.2019 00:00:02.000,1.3,1,1,1",
        "04.02.2019 00:00:01.000,1.1,1,1,1",
        "04.02.2019 00:00:01.000,1.2,1,1,1",
    )

    assert ticks.ask.tolist() == [1.1, 1.2, 1.3]


def test_decode_ticks_leaves_odd_prices_and_sizes_to_the_quality_gate():
    ticks = decode("04.02.2019 00:00:00.000,0,,-1,inf")

    assert (ticks.ask[0], ticks.ask_size[0], ticks.bid_size[0]) == (0, -1, math.inf)
    assert math.isnan(ticks.bid[0])


def test_decode_ticks_of_no_lines_gives_none():
    assert len(decode()) == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("04.02.2019 01:00:00.000,1,1,1,1", "expected a time inside the hour, found"),
        ("yesterday,1,1,1,1", "expected a time, found 'yesterday,1,1,1,1' .expected"),
        ("04.02.2019 00:00:00.000,1", "numbers for bid, found list index out of range"),
        ("04.02.2019 00:00:00.000,1,x,1,1", "numbers for bid, found could not convert"),
    ],
)
def test_decode_ticks_of_a_wrong_line_says_what_is_wrong(line, message):
    with pytest.raises(DamagedFile, match=message) as caught:
        decode("04.02.2019 00:00:00.994,1.14545,1.14543,1,2.06", line)

    assert str(caught.value).endswith(" in a.csv")
