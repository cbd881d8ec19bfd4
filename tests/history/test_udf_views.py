"""The datafeed's addresses: statuses, headers and the shape of errors."""

import time

import pytest

from history import udf_answers
from history.candle_refresh import refresh_candles
from history.clients import Client
from tests.history.factories import T0, fixture_quotes, store_quotes
from tests.history.storage import FAR_US, SECOND_US, make_series, store, trade_columns

HOUR = 3600
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def fixture_ticks(transactional_db):
    """1,000 ticks of EURUSD by dukascopy, every 7 s from T0, with their candles."""
    return store_quotes(fixture_quotes())


def history(rest, **query):
    asked = {"symbol": "EURUSD", "resolution": "60", "to": T0 + 2 * HOUR, **query}
    if "from" not in asked:
        asked.setdefault("countback", 10)
    return rest.get("/udf/history", asked)


@pytest.mark.usefixtures("fixture_ticks")
def test_history_is_a_table_of_mid_prices(rest):
    response = history(rest)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Broker"] == "dukascopy"
    assert response.json() == {
        "s": "ok",
        "t": [T0, T0 + HOUR],
        "o": [1.10005, 1.1052],
        "h": [1.10519, 1.11004],
        "l": [1.10005, 1.1052],
        "c": [1.10519, 1.11004],
        "v": [515.0, 485.0],
    }


@pytest.mark.usefixtures("fixture_ticks")
def test_history_leaves_the_end_out_and_prefers_countback(rest):
    assert history(rest, to=T0 + HOUR).json()["t"] == [T0]
    assert history(rest, to=T0 + HOUR + 1).json()["t"] == [T0, T0 + HOUR]
    assert history(rest, to=T0 + HOUR + 1, countback=1).json()["t"] == [T0 + HOUR]
    # The range has no bar, and the library says that it wants one anyway.
    late = {"from": T0 + 9 * HOUR, "to": T0 + 10 * HOUR}
    assert history(rest, **late, countback=1).json()["t"] == [T0 + HOUR]


@pytest.mark.usefixtures("fixture_ticks")
def test_history_without_bars_names_the_last_one_before(rest):
    late = {"from": T0 + 9 * HOUR, "to": T0 + 10 * HOUR}
    response = history(rest, **late)

    assert response.json() == {"s": "no_data", "nextTime": T0 + HOUR}
    assert response.headers["Cache-Control"] == "no-cache"
    assert "ETag" not in response.headers
    seconds = history(rest, **late, resolution="1S")
    assert seconds.json() == {"s": "no_data", "nextTime": T0 + 6993}


@pytest.mark.usefixtures("fixture_ticks")
def test_history_before_the_first_bar_ends(rest):
    for resolution in ("1S", "1", "60", "D", "W"):
        early = {"resolution": resolution, "to": T0 - 8 * 86_400}
        assert history(rest, **early).json() == {"s": "no_data"}
        early["from"] = early["to"] - 86_400
        assert history(rest, **early).json() == {"s": "no_data"}


@pytest.mark.usefixtures("fixture_ticks")
def test_history_that_the_client_has_is_not_read_again(rest):
    first = history(rest, to=T0 + HOUR)
    etag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "public, max-age=1800"

    before = rest.statements
    query = f"symbol=EURUSD&resolution=60&to={T0 + HOUR}&countback=10"
    again = rest.get(f"/udf/history?{query}", If_None_Match=etag)

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == etag
    assert rest.statements == before + 1


@pytest.mark.usefixtures("fixture_ticks")
def test_history_that_is_settled_is_kept_until_it_changes(rest):
    first = history(rest, to=T0 + HOUR)
    before = rest.statements
    assert history(rest, to=T0 + HOUR).json() == first.json()
    assert rest.statements == before + 1

    store_quotes([(T0 + 1, 9.0, 9.0)])
    changed = history(rest, to=T0 + HOUR)

    assert changed.json()["h"] == [9.0]
    assert changed.headers["ETag"] != first.headers["ETag"]


@pytest.mark.usefixtures("fixture_ticks")
def test_history_takes_two_statements(rest):
    history(rest)
    before = rest.statements

    history(rest, resolution="D")

    assert rest.statements == before + 2


def test_history_that_is_open_must_be_asked_for_again(rest, transactional_db):
    now = int(time.time())
    store_quotes([(now - 5, 1.1, 1.2)])

    response = history(rest, to=now + 60, resolution="1W")

    assert response.json()["s"] == "ok"
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.usefixtures("fixture_ticks")
def test_history_of_a_named_broker_is_its_own(rest):
    store_quotes([(T0, 1.3, 1.3)], broker="oanda")

    assert history(rest, symbol="OANDA:EUR/USD").json()["c"] == [1.3]
    assert history(rest).json()["c"][0] == 1.10519


def test_history_of_trades_alone_is_of_their_prices(rest, transactional_db):
    series_id = make_series("BTCUSD", "binance")
    at_us = (T0 + 5) * SECOND_US
    store(trade_columns(series_id, [(at_us, 1, 1, 97_000.5, 0.25)]))
    refresh_candles([series_id], now_us=FAR_US)

    body = history(rest, symbol="BTCUSD").json()

    assert (body["t"], body["c"], body["v"]) == ([T0], [97_000.5], [0.25])


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("/udf/symbols?symbol=XXXYYY", "unknown_symbol"),
        ("/udf/symbols?symbol=OANDA:EURUSD", "unknown_symbol"),
        ("/udf/symbols?symbol=a%20b", "unknown_symbol"),
        ("/udf/symbols?symbol=", "unknown_symbol"),
        (
            "/udf/symbols",
            "symbol: Invalid input: expected string, received undefined",
        ),
        (f"/udf/history?symbol=XXXYYY&resolution=1&from=0&to={T0}", "unknown_symbol"),
        (
            "/udf/history?symbol=EURUSD&resolution=1&countback=none",
            "countback: expected a whole number from 1 on",
        ),
        (
            f"/udf/history?symbol=EURUSD&resolution=7&from=0&to={T0}",
            "resolution: expected one of 1S, 1, 5, 15, 30, 60, 240, 720, 1D, 1W",
        ),
        ("/udf/search?limit=x", "limit: Expected a whole number of 1 to 10000"),
    ],
)
@pytest.mark.usefixtures("fixture_ticks")
def test_wrong_questions_have_the_protocols_error(rest, address, text):
    response = rest.get(address)

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json() == {"s": "error", "errmsg": text}


@pytest.mark.usefixtures("fixture_ticks")
def test_errors_of_the_server_keep_their_status_and_have_the_shape(rest, monkeypatch):
    def fail(*args: object, **more: object) -> None:
        raise KeyError("SELECT secret FROM table")

    monkeypatch.setattr(udf_answers, "candle_range", fail)

    response = history(rest)

    assert response.status_code == 500
    assert response.json() == {"s": "error", "errmsg": "Internal server error"}


def test_refused_requests_have_the_shape_and_their_headers(rest, transactional_db):
    client = Client(f"udf {time.time_ns()}", 1)

    async def identify(*args: object) -> Client:
        return client

    rest.services.identify = identify

    method = rest.request("POST", "/udf/time")
    rest.get("/udf/time")
    response = rest.get("/udf/symbols?symbol=EURUSD")

    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 0
    assert response.json() == {
        "s": "error",
        "errmsg": "Too many requests from this IP, please try again later",
    }
    assert method.status_code == 405
    assert method.json() == {"s": "error", "errmsg": "Method not allowed"}


def test_time_is_seconds_as_text(rest, transactional_db):
    response = rest.get("/udf/time")

    assert response.headers["Content-Type"] == "text/plain"
    assert abs(int(response.content) - time.time()) < 5


@pytest.mark.parametrize("address", ["/udf/marks", "/udf/timescale_marks"])
def test_there_are_no_marks(rest, transactional_db, address):
    response = rest.get(f"{address}?symbol=EURUSD&from=0&to=1&resolution=D")

    assert (response.status_code, response.json()) == (200, [])


def test_an_empty_store_offers_nothing(rest, transactional_db):
    assert rest.get("/udf/search?query=EUR").json() == []
    assert [item["value"] for item in rest.get("/udf/config").json()["exchanges"]] == [
        ""
    ]


@pytest.mark.parametrize("path", ["config", "time", "symbols?symbol=EURUSD"])
@pytest.mark.usefixtures("fixture_ticks")
def test_people_get_a_page(rest, path):
    response = rest.get(f"/udf/{path}", Accept=CHROME)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
