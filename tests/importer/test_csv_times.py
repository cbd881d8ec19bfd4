"""Times in the formats of CSV files."""

import pytest

from importer.csv_times import has_offset, parse_time_us

MOMENT_US = 1_549_238_400_994_000  # 2019-02-04T00:00:00.994Z


@pytest.mark.parametrize(
    "text",
    [
        "04.02.2019 00:00:00.994",
        "04.02.2019 00:00:00.994 GMT",
        "04.02.2019 02:00:00.994 GMT+0200",
        "03.02.2019 19:00:00.994 GMT-0500",
        "2019-02-04 00:00:00.994",
        "2019-02-04T00:00:00.994Z",
        "2019-02-04T00:00:00.994000+00:00",
        "2019-02-04T01:30:00.994+01:30",
        "2019-02-04 05:30:00.994+0530",
        "2019-02-03 19:00:00.994-05",
        "2019-02-04 00:00:00.994 UTC",
        "2019.02.04 00:00:00.994",
        "2019/02/04 00:00:00,994",
        "20190204 000000994",
        "20190204 00:00:00.994",
        "20190204T000000994",
        "1549238400.994",
        "1549238400994",
        "1549238400994.0",
        "1549238400994000",
        "1549238400994000000",
    ],
)
def test_parse_time_us_of_each_format_gives_the_same_moment(text):
    assert parse_time_us(text) == MOMENT_US


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("2019-02-04 00:00:00", 0),
        ("2019-02-04 00:00", 0),
        ("1549238400", 0),
        ("2019-02-04 00:00:00.5", 500_000),
        ("2019-02-04 00:00:00.1234567", 123_456),
        ("1549238400123.4567", 123_456),
    ],
)
def test_parse_time_us_keeps_what_is_stated_to_the_microsecond(text, us):
    assert parse_time_us(text) == MOMENT_US - 994_000 + us


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Time",
        "02/04/2019 00:00:00",
        "2019-02-30 00:00:00",
        "2019-02-04 24:00:00",
        "2019-02-04 00:60:00",
        "2019-02-04",
        "2019-0204 00:00:00",
        "12345",
        "-1549238400",
    ],
)
def test_parse_time_us_of_anything_else_raises(text):
    with pytest.raises(ValueError, match="."):
        parse_time_us(text)


def test_has_offset_sees_a_stated_distance_from_utc():
    assert has_offset("04.02.2019 00:00:00.994 GMT+0200")
    assert not has_offset("2019-02-04T00:00:00Z")
    assert not has_offset("1549238400")
