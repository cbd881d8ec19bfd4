"""Pages, forms and streams of candles and ticks."""

import csv
import io
import json
import re

import numpy as np
import pytest

from history import candle_answers, record_answers
from history.alignment import _runs
from history.columns import TradeColumns
from history.pages import PAGE_ROWS
from marketdata.timeframes import PriceSide, Timeframe
from tests.history.factories import T0, fixture_quotes, store_quotes
from tests.history.storage import (
    HOUR_US,
    T0_US,
    candles_of,
    make_series,
    priced,
    random_ticks,
    store,
)

pytestmark = pytest.mark.django_db(transaction=True)

RANGE = {"symbol": "EURUSD", "from": T0, "to": T0 + 7_200}
MINUTES = {**RANGE, "timeframe": "1m"}


@pytest.fixture
def series():
    """Check 27's ticks of EURUSD by dukascopy, with their candles."""
    return store_quotes(fixture_quotes())


@pytest.fixture
def trades(series):
    """Three trades, two of them at one moment: bought, sold, unknown."""
    store(
        TradeColumns(
            series_id=np.full(3, series.pk, np.int32),
            time_us=np.array([T0, T0 + 1, T0 + 1], np.int64) * 1_000_000,
            trade_id=np.array([7, 9, 8], np.int64),
            seq=np.array([1, 2, 3], np.int64),
            price=np.array([1.1, 1.2, 1.3]),
            size=np.array([5.0, 6.0, 7.5]),
            side=np.array([1, -1, 0], np.int16),
        )
    )


def walk(rest, address):
    """Return the rows of all pages, following Link, and how many pages there were."""
    rows, pages = [], 0
    while address:
        answer = rest.get(address)
        assert answer.status_code == 200
        rows += answer.json()
        pages += 1
        link = re.fullmatch('<(.*)>; rel="next"', answer.headers.get("Link", ""))
        assert bool(link) == ("X-Next-Cursor" in answer.headers)
        address = link[1] if link else ""
    return rows, pages


@pytest.mark.usefixtures("series")
@pytest.mark.parametrize(("limit", "pages"), [(1, 117), (50, 3), (117, 1), (200, 1)])
def test_candles_in_pages_are_all_of_the_range(rest, limit, pages):
    whole = rest.get("/api/candles", MINUTES).json()

    rows, count = walk(
        rest,
        f"/api/candles?symbol=eur/usd&timeframe=1m&from={T0}&to={T0 + 7200}"
        f"&limit={limit}",
    )

    assert len(whole) == 117
    assert (rows, count) == (whole, pages)


@pytest.mark.usefixtures("series")
def test_candles_with_countback_are_the_last_ones_ascending(rest):
    whole = rest.get("/api/candles", MINUTES).json()

    answer = rest.get(
        "/api/candles",
        {"symbol": "EURUSD", "timeframe": "1m", "to": T0 + 3_600, "countback": 3},
    )

    assert answer.json() == [row for row in whole if row["time"] <= T0 + 3_600][-3:]
    assert "Link" not in answer.headers


@pytest.mark.usefixtures("series")
@pytest.mark.parametrize("timeframe", ["1s", "30m", "1d", "1w"])
def test_candles_of_computed_timeframes_are_served(rest, timeframe):
    body = rest.get(
        "/api/candles",
        {**RANGE, "from": T0 - 600_000, "timeframe": timeframe, "fields": "full"}
        if timeframe != "1s"
        else {**RANGE, "timeframe": "1s", "fields": "full"},
    ).json()

    assert sum(row["ticks"] for row in body) == 1_000


def test_align_not_seen_before_computes_no_years_without_candles(rest):
    store_quotes([(T0, 1.1, 1.2)])
    _runs.cache_clear()
    asked = {"symbol": "EURUSD", "timeframe": "1d", "from": 0, "to": T0, "limit": 9}

    answer = rest.get("/api/candles", {**asked, "align": "Asia/Tokyo@03:15"})

    assert [item["time"] for item in answer.json()] == [T0 - 5 * 3_600 - 2_700]
    assert _runs.cache_info().currsize <= 6


@pytest.mark.usefixtures("series")
def test_candles_aligned_at_new_york_begin_in_the_evening(rest):
    body = rest.get(
        "/api/candles",
        {
            **RANGE,
            "from": T0 - 86_400,
            "timeframe": "1d",
            "align": "America/New_York@17:00",
        },
    ).json()

    assert [row["time"] for row in body] == [T0 - 2 * 3_600]


@pytest.mark.usefixtures("series")
def test_candles_of_1s_over_more_than_a_day_are_refused(rest):
    answer = rest.get(
        "/api/candles", {**RANGE, "to": T0 + 86_401, "timeframe": "1s", "limit": 5}
    )

    assert answer.status_code == 400
    message = "A range of 1s candles cannot exceed 1 day"
    assert answer.json() == {
        "error": message,
        "code": "RANGE_TOO_LARGE",
        "details": [{"field": "", "message": message}],
    }


@pytest.mark.usefixtures("series")
@pytest.mark.parametrize("how", ["query", "header"])
def test_candles_as_csv_and_ndjson_are_the_same_candles(rest, how):
    def body(form, accept):
        if how == "query":
            return rest.get("/api/candles", {**MINUTES, "format": form})
        return rest.get("/api/candles", MINUTES, Accept=accept)

    expected = rest.get("/api/candles", MINUTES).json()
    as_csv = body("csv", "text/csv")
    as_lines = body("ndjson", "application/x-ndjson")

    assert as_csv.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(as_csv.content.decode())))
    assert [{key: json.loads(row[key]) for key in row} for row in rows] == expected
    assert as_lines.headers["Content-Type"] == "application/x-ndjson"
    lines = as_lines.content.decode().splitlines()
    assert [json.loads(line) for line in lines] == expected


@pytest.mark.usefixtures("series")
@pytest.mark.parametrize("form", ["json", "csv", "ndjson"])
def test_long_answers_are_streamed_page_by_page_and_the_same(rest, monkeypatch, form):
    asked = {**MINUTES, "format": form, "fields": "full"}
    whole = rest.get("/api/candles", asked).content
    monkeypatch.setattr(candle_answers, "PAGE_ROWS", 50)

    streamed = rest.get("/api/candles", asked)

    assert streamed.content == whole
    assert len([part for part in streamed.parts if part]) >= 3
    assert "Content-Length" not in streamed.headers


@pytest.mark.usefixtures("series")
def test_streamed_answer_without_candles_says_what_there_is(rest, monkeypatch):
    monkeypatch.setattr(candle_answers, "PAGE_ROWS", 50)

    answer = rest.get("/api/candles", {**MINUTES, "from": T0 - 7_200, "to": T0 - 60})

    assert answer.content == b"[]"
    assert answer.headers["X-Data-Available"] == "false"


@pytest.mark.usefixtures("series")
def test_page_for_people_is_bounded(rest, monkeypatch):
    monkeypatch.setattr(candle_answers, "PEOPLE_ROWS", 3)

    page = rest.get("/api/candles", MINUTES, Accept="text/html").content.decode()

    assert page.count("&quot;open&quot;") == 3
    assert "X-Next-Cursor" in page


@pytest.mark.usefixtures("series")
def test_ticks_are_in_milliseconds_and_paged(rest):
    address = f"/api/ticks?symbol=EURUSD&from={T0}&to={T0 + 6_999}"

    rows, pages = walk(rest, f"{address}&limit=300")

    assert (len(rows), pages) == (1_000, 4)
    assert rows[0] == {
        "time": T0 * 1_000,
        "bid": 1.1,
        "ask": 1.1001,
        "bid_size": 1.0,
        "ask_size": 1.0,
    }
    assert [row["time"] for row in rows] == [(T0 + 7 * i) * 1_000 for i in range(1_000)]


def test_ticks_of_one_moment_are_paged_in_order_without_loss(rest):
    store_quotes([(T0, 1.0 + i / 100, 2.0) for i in range(10)])

    rows, _ = walk(rest, f"/api/ticks?symbol=EURUSD&from={T0}&to={T0 + 1}&limit=3")

    assert [row["bid"] for row in rows] == [1.0 + i / 100 for i in range(10)]


@pytest.mark.usefixtures("series")
def test_ticks_without_limit_are_a_page_of_json_and_all_of_csv(rest, monkeypatch):
    monkeypatch.setattr(record_answers, "PAGE_ROWS", 300)
    asked = {"symbol": "EURUSD", "from": T0 - 1, "to": T0 + 9_000}

    as_csv = rest.get("/api/ticks", {**asked, "format": "csv"})
    as_lines = rest.get("/api/ticks", asked, Accept="application/x-ndjson")

    lines = as_csv.content.decode().splitlines()
    assert lines[0] == "time,bid,ask,bid_size,ask_size"
    assert len(lines) == 1_001
    assert len([part for part in as_csv.parts if part]) == 4
    assert len(as_lines.content.splitlines()) == 1_000
    assert len(rest.get("/api/ticks", asked).json()) == 1_000
    assert len(rest.get("/api/ticks", {**asked, "limit": 5}).json()) == 5


@pytest.mark.usefixtures("trades")
def test_trades_are_in_order_with_their_side_where_known(rest):
    body = rest.get(
        "/api/ticks", {"symbol": "EURUSD", "from": T0, "to": T0 + 9, "type": "trade"}
    ).json()

    assert body == [
        {"time": T0 * 1000, "price": 1.1, "size": 5.0, "side": "buy", "id": 7},
        {"time": T0 * 1000 + 1000, "price": 1.2, "size": 6.0, "side": "sell", "id": 9},
        {"time": T0 * 1000 + 1000, "price": 1.3, "size": 7.5, "id": 8},
    ]


@pytest.mark.usefixtures("series")
def test_ticks_of_an_empty_range_say_what_there_is(rest):
    answer = rest.get("/api/ticks", {"symbol": "EURUSD", "from": 0, "to": 10})

    assert answer.json() == []
    assert answer.headers["X-Available-From"] == "2024-01-02T00:00:00.000Z"


@pytest.mark.usefixtures("series")
def test_ticks_of_all_time_are_refused_where_they_are_not_paged(rest):
    asked = {"symbol": "EURUSD", "from": 0, "to": T0}

    assert rest.get("/api/ticks", {**asked, "format": "csv"}).status_code == 400
    assert rest.get("/api/ticks", asked).status_code == 200


def test_streamed_candles_of_1s_equal_brute_force(rest, transactional_db):
    """25,000 candles of 12 hours, read by the hour; the day has empty hours, too."""
    series_id = make_series()
    ticks = random_ticks(series_id, T0_US + 3 * HOUR_US, T0_US + 15 * HOUR_US, 40_000)
    store(ticks)
    expected = candles_of(priced(ticks, PriceSide.MID), Timeframe.S1)
    assert len(expected) > 2 * PAGE_ROWS

    answer = rest.get(
        "/api/candles",
        {"symbol": "EURUSD", "timeframe": "1s", "from": T0, "to": T0 + 86_400},
    )

    found = [tuple(row.values()) for row in answer.json()]
    assert found == [
        (start_us // 1_000_000, *(round(price, 6) for price in values[:4]))
        for start_us, values in sorted(expected.items())
    ]
    assert len(answer.parts) > 2


def test_streamed_candles_of_a_day_without_any_say_what_there_is(
    rest, transactional_db
):
    store_quotes([(T0, 1.1, 1.2)])

    answer = rest.get(
        "/api/candles",
        {"symbol": "EURUSD", "timeframe": "1s", "from": T0 + 60, "to": T0 + 86_400},
    )

    assert answer.content == b"[]"
    assert answer.headers["X-Data-Available"] == "false"


@pytest.mark.parametrize(
    "address",
    [
        f"/api/candles?symbol=EURUSD&timeframe=1s&from={T0}&to={T0 + 86_400}",
        f"/api/ticks?symbol=EURUSD&format=csv&from={T0}&to={T0 + 86_400}",
    ],
)
def test_head_of_a_long_answer_reads_its_first_page_alone(
    rest, transactional_db, address
):
    store(random_ticks(make_series(), T0_US, T0_US + 12 * HOUR_US, 25_000))
    whole = rest.get(address)
    before = rest.statements

    head = rest.request("HEAD", address)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == whole.headers
    assert len(whole.content) > 500_000
    assert rest.statements - before == 2
