from datetime import UTC, datetime

from history.row_headers import empty_range_headers


def test_empty_range_headers_say_what_there_is_and_let_nobody_keep_it():
    headers = empty_range_headers(
        {"ETag": '"a"', "Cache-Control": "public, max-age=60", "X-Broker": "oanda"},
        datetime(2024, 1, 2, tzinfo=UTC),
        datetime(2024, 1, 2, 1, 56, 33, 123_999, tzinfo=UTC),
    )

    assert headers == {
        "X-Broker": "oanda",
        "X-Data-Available": "false",
        "X-Available-From": "2024-01-02T00:00:00.000Z",
        "X-Available-To": "2024-01-02T01:56:33.123Z",
        "Warning": '199 - "No data available for requested date range. Check '
        'X-Available-From and X-Available-To headers for available data range."',
        "Cache-Control": "no-cache",
    }
