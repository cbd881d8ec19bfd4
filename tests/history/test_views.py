"""REST through Django's rest over the real database; checks are COMPAT.md's."""

import json
import time

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from history import views
from marketdata.models import Instrument
from tests.history.factories import (
    T0,
    fixture_quotes,
    make_instrument,
    store_quotes,
)

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
HOUR = 3600
YEAR = 365 * 86_400
NOW = int(time.time())
SIX = ["1m", "5m", "15m", "1h", "4h", "12h"]
ALL = [*SIX, "1s", "30m", "1d", "1w"]


@pytest.fixture
def fixture_ticks(transactional_db):
    """Check 27's ticks of EURUSD by dukascopy, with their candles."""
    return store_quotes(fixture_quotes())


def candles(rest, **query):
    return rest.get("/api/candles", {"symbol": "EURUSD", **query})


def range_of(start, end):
    return {"from": start, "to": end}


def row(at, first, high, low, last):
    return {"time": at, "open": first, "high": high, "low": low, "close": last}


HOURS = [
    row(1704153600, 1.10005, 1.10519, 1.10005, 1.10519),
    row(1704157200, 1.1052, 1.11004, 1.1052, 1.11004),
]


@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_26_metadata_of_all_symbols(rest):
    store_quotes([(T0, 1.27, 1.2701)], symbol="GBPUSD")
    store_quotes([(T0, 0.65, 0.6501)], symbol="AUDUSD")

    response = rest.get("/api/metadata")

    body = response.json()
    assert response.status_code == 200
    assert [item["symbol"] for item in body["symbols"]] == [
        "AUDUSD",
        "EURUSD",
        "GBPUSD",
    ]
    assert body["timeframes"] == ALL
    eurusd = body["symbols"][1]
    assert eurusd.pop("version")
    assert eurusd == {
        "symbol": "EURUSD",
        "earliest": T0,
        "latest": T0 + 999 * 7,
        "tick_count": 1000,
        "brokers": ["dukascopy"],
    }


@pytest.mark.django_db(transaction=True)
def test_metadata_of_empty_store_has_no_symbols(rest):
    make_instrument("EURUSD")

    assert rest.get("/api/metadata").json() == {"symbols": [], "timeframes": ALL}


@pytest.mark.parametrize(
    "address",
    [
        "/api/metadata?symbol=EURUSD",
        "/api/metadata?symbol=eurusd",
        "/api/metadata?symbol=EUR/USD",
        "/api/metadata?symbol=EUR%2FUSD",
        "/api/metadata/EURUSD",
        "/api/metadata/eurusd",
        "/api/metadata/EUR%2FUSD",
        "/api/metadata/EUR/USD",
        "/api/metadata/EURUSD/",
    ],
)
@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_26_metadata_of_a_symbol_in_any_spelling(rest, address):
    response = rest.get(address)

    body = response.json()
    assert response.status_code == 200
    assert response.headers["X-Broker"] == "dukascopy"
    assert body.pop("version")
    assert body == {
        "symbol": "EURUSD",
        "earliest": T0,
        "latest": T0 + 6993,
        "tick_count": 1000,
        "brokers": ["dukascopy"],
        "timeframes": ALL,
    }


def test_compat_check_26_metadata_seconds_are_floored(rest, transactional_db):
    store_quotes([(T0 + 0.9, 1.1, 1.2), (T0 + 60.999, 1.1, 1.2)])

    body = rest.get("/api/metadata/EURUSD").json()

    assert (body["earliest"], body["latest"]) == (T0, T0 + 60)


def test_compat_check_26_metadata_takes_symbols_that_are_not_six_letters(
    rest, transactional_db
):
    store_quotes([(T0, 97_000.5, 97_001.5)], symbol="BTCUSDT", broker="binance")

    assert rest.get("/api/metadata?symbol=btc-usdt").json()["tick_count"] == 1


@pytest.mark.parametrize("address", ["/api/metadata?symbol=", "/api/metadata/"])
@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_26_metadata_of_unknown_symbol(rest, address):
    response = rest.get(f"{address}XXXYYY")

    assert response.status_code == 404
    assert response.json() == {"error": "Symbol not found", "code": "SYMBOL_NOT_FOUND"}


@pytest.mark.django_db(transaction=True)
def test_metadata_of_instrument_without_data_is_not_found(rest):
    make_instrument("EURUSD")

    assert rest.get("/api/metadata/EURUSD").status_code == 404


@pytest.mark.parametrize("address", ["/api/metadata?symbol=a%20b", "/api/metadata/a!b"])
@pytest.mark.django_db(transaction=True)
def test_metadata_of_what_is_no_symbol_is_a_validation_error(rest, address):
    response = rest.get(address)

    assert response.status_code == 400
    assert response.json()["code"] == "VALIDATION_ERROR"
    assert response.json()["details"][0]["field"] == "symbol"


@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_27_candles_1h(rest):
    response = candles(rest, timeframe="1h", **range_of(T0, T0 + 7200))

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == HOURS


@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_27_candles_1m(rest):
    body = candles(rest, timeframe="1m", **range_of(T0, T0 + 7200)).json()

    assert body[:3] == [
        row(T0, 1.10005, 1.10013, 1.10005, 1.10013),
        row(T0 + 60, 1.10014, 1.10022, 1.10014, 1.10022),
        row(T0 + 120, 1.10023, 1.1003, 1.10023, 1.1003),
    ]
    assert [item["time"] for item in body] == list(range(T0, T0 + 6994, 60))


@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_27_default_timeframe_is_1h(rest):
    assert candles(rest, **range_of(T0, T0 + 7200)).json() == HOURS


@pytest.mark.parametrize(
    ("start", "end", "rows"),
    [
        (T0, T0 + HOUR, HOURS),
        (T0, T0 + HOUR - 1, HOURS[:1]),
        (T0 + 1, T0 + HOUR, HOURS[1:]),
        (T0 - HOUR, T0, HOURS[:1]),
    ],
)
@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_27_both_ends_include_their_bucket(rest, start, end, rows):
    assert candles(rest, **range_of(start, end)).json() == rows


@pytest.mark.usefixtures("fixture_ticks")
def test_candles_of_a_side_are_of_its_prices(rest):
    asked = range_of(T0, T0 + 1)

    assert candles(rest, price="bid", **asked).json() == [
        row(T0, 1.1, 1.10514, 1.1, 1.10514)
    ]
    assert candles(rest, price="ask", **asked).json() == [
        row(T0, 1.1001, 1.10524, 1.1001, 1.10524)
    ]
    assert candles(rest, price="mid", **asked).json() == HOURS[:1]
    assert candles(rest, price="trade", **asked).json() == []


@pytest.mark.usefixtures("fixture_ticks")
def test_candles_with_all_fields_add_volume_ticks_state_and_revision(rest):
    response = candles(rest, fields="full", **range_of(T0, T0 + HOUR))

    assert response.json() == [
        {**HOURS[0], "volume": 515.0, "ticks": 515, "complete": True, "rev": 0},
        {**HOURS[1], "volume": 485.0, "ticks": 485, "complete": True, "rev": 0},
    ]


@pytest.mark.usefixtures("fixture_ticks")
def test_candles_take_iso_times(rest):
    asked = range_of("2024-01-02T00:00:00Z", "2024-01-02T02:00:00+01:00")

    assert candles(rest, **asked).json() == HOURS


@pytest.mark.parametrize(
    "address",
    [
        "/api/candles/EURUSD/1h",
        "/api/candles/eurusd/1h",
        "/api/candles/EUR%2FUSD/1h",
        "/api/candles/EUR/USD/1h",
        "/api/candles/EUR_USD/1h/",
        "/api/candles?symbol=eur/usd",
        "/api/candles/?symbol=eur-usd",
    ],
)
@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_27_candles_in_any_spelling_and_form(rest, address):
    glue = "&" if "?" in address else "?"

    response = rest.get(f"{address}{glue}from={T0}&to={T0 + 7200}")

    assert response.status_code == 200
    assert response.json() == HOURS


def test_candles_in_a_brokers_spelling_are_found(rest, transactional_db):
    make_instrument("BTCUSD", decimals=2, spellings={"kraken": "XBT/USD"})
    store_quotes([(T0, 97_000.5, 97_001.5)], symbol="BTCUSD", broker="kraken")

    body = candles(rest, symbol="XBT/USD", **range_of(T0, T0 + 1)).json()

    assert body == [row(T0, 97_001.0, 97_001.0, 97_001.0, 97_001.0)]


def test_candles_are_rounded_to_the_instruments_decimals_and_one(
    rest, transactional_db
):
    make_instrument("USDJPY", decimals=3)
    store_quotes([(T0, 156.50049, 156.50051)], symbol="USDJPY")

    body = candles(rest, symbol="USDJPY", **range_of(T0, T0 + 1)).json()

    assert body == [row(T0, 156.5005, 156.5005, 156.5005, 156.5005)]


def test_candles_of_the_open_minute_are_there_before_any_refresh(
    rest, transactional_db
):
    now = int(time.time())
    store_quotes([(now, 1.1, 1.2)], refreshed=False)

    body = candles(
        rest, timeframe="1m", fields="full", **range_of(now - 60, now)
    ).json()

    assert [item["time"] for item in body] == [now - now % 60]
    assert body[0]["close"] == 1.15


ERRORS = [
    ({"symbol": "a b"}, "symbol", "Symbol must be 1 to 20 letters, digits"),
    ({"timeframe": "7m"}, "timeframe", "Invalid option: expected one of"),
    ({"from": "abc"}, "from", "from must be a Unix timestamp in seconds"),
    ({"to": "abc"}, "to", "to must be a Unix timestamp in seconds"),
    ({"from": T0 * 1000}, "from", "from must be a Unix timestamp in seconds, found 13"),
    ({"from": T0 + 9999}, "", "from timestamp must be before to timestamp"),
    ({"to": T0 + YEAR + 1}, "", "Date range cannot exceed 1 year"),
]


@pytest.mark.parametrize(("change", "field", "message"), ERRORS)
@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_28_each_rule_has_its_message(rest, change, field, message):
    response = candles(rest, **{**range_of(T0, T0 + HOUR), **change})

    body = response.json()
    assert response.status_code == 400
    assert (body["error"], body["code"]) == ("Validation failed", "VALIDATION_ERROR")
    assert [item["field"] for item in body["details"]] == [field]
    assert body["details"][0]["message"].startswith(message)


@pytest.mark.django_db(transaction=True)
def test_compat_check_28_missing_fields_are_named(rest):
    body = rest.get("/api/candles").json()

    message = "Invalid input: expected string, received undefined"
    assert body == {
        "error": "Validation failed",
        "code": "VALIDATION_ERROR",
        "details": [
            {"field": "symbol", "message": message},
            {"field": "from", "message": message},
            {"field": "to", "message": message},
        ],
    }


@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_28_range_of_exactly_the_limit_passes(rest):
    assert candles(rest, **range_of(T0, T0 + YEAR)).json() == HOURS
    assert candles(rest, **range_of(T0, T0 + YEAR + 1)).status_code == 400


@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_28_limit_is_configurable(rest, settings):
    settings.MAX_RANGE_DAYS = 730

    assert candles(rest, **range_of(T0, T0 + 2 * YEAR)).status_code == 200


@pytest.mark.parametrize("address", ["/api/candles?symbol=xxx/yyy&", None])
@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_28_unknown_symbol_is_not_found(rest, address):
    address = address or "/api/candles/XXXYYY/1h?"

    response = rest.get(f"{address}from={T0}&to={T0 + 1}")

    assert response.status_code == 404
    assert response.json() == {
        "error": "Symbol 'XXXYYY' not found in database",
        "code": "SYMBOL_NOT_FOUND",
    }


@pytest.mark.parametrize(
    ("address", "code", "text"),
    [
        (
            "/api/candles/EURUSD/1h",
            "MISSING_PARAMETERS",
            "Missing required query parameters: 'from' and 'to' "
            "(Unix timestamps in seconds)",
        ),
        (
            f"/api/candles/EURUSD/1h?from={T0}",
            "MISSING_PARAMETERS",
            "Missing required query parameters: 'from' and 'to' "
            "(Unix timestamps in seconds)",
        ),
        (
            f"/api/candles/EURUSD/7m?from={T0}&to={T0 + 1}",
            "INVALID_TIMEFRAME",
            "Invalid timeframe '7m'. Must be one of: "
            "1m, 5m, 15m, 1h, 4h, 12h, 1s, 30m, 1d, 1w",
        ),
    ],
)
@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_29_texts_of_the_path_form(rest, address, code, text):
    response = rest.get(address)

    assert response.status_code == 400
    assert (response.json()["code"], response.json()["error"]) == (code, text)


@pytest.mark.parametrize(("change", "field", "message"), ERRORS[2:])
@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_29_path_form_has_the_same_validation(
    rest, change, field, message
):
    query = {**range_of(T0, T0 + HOUR), **change}

    in_path = rest.get("/api/candles/EURUSD/1h", query)

    assert in_path.status_code == 400
    assert in_path.json() == candles(rest, **query).json()
    assert in_path.json()["details"][0]["message"].startswith(message)
    assert in_path.json()["details"][0]["field"] == field


@pytest.mark.parametrize(
    ("timeframe", "age_s"),
    list(zip(SIX, (60, 300, 600, 1800, 3600, 3600), strict=True)),
)
@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_30_closed_ranges_may_be_kept(rest, timeframe, age_s):
    response = candles(rest, timeframe=timeframe, **range_of(T0 - 1, T0 + HOUR))

    assert response.headers["Cache-Control"] == f"public, max-age={age_s}"


@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_30_range_touching_now_is_not_kept(rest):
    now = int(time.time())
    store_quotes([(now - 60, 1.1, 1.2)])

    response = candles(rest, **range_of(now - HOUR, now))

    assert response.json() != []
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_31_empty_range_says_what_there_is(rest):
    response = candles(rest, **range_of(T0 - 9 * HOUR, T0 - HOUR))

    assert response.status_code == 200
    assert response.content == b"[]"
    assert response.headers["X-Data-Available"] == "false"
    assert response.headers["X-Available-From"] == "2024-01-02T00:00:00.000Z"
    assert response.headers["X-Available-To"] == "2024-01-02T01:56:33.000Z"
    assert response.headers["Warning"].startswith(
        '199 - "No data available for requested date range. '
    )
    assert response.headers["X-Broker"] == "dukascopy"
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_31_answer_with_candles_has_no_such_headers(rest):
    response = candles(rest, **range_of(T0, T0 + HOUR))

    assert response.json() != []
    assert "X-Data-Available" not in response.headers
    assert "Warning" not in response.headers


@pytest.fixture
def three_brokers(transactional_db):
    """EURUSD at T0: dukascopy 1 tick at 1.1, oanda 3 at 1.2, kraken 2 at 1.3."""
    store_quotes([(T0, 1.1, 1.1)])
    store_quotes([(T0 + i, 1.2, 1.2) for i in range(3)], broker="oanda")
    store_quotes([(T0 + i, 1.3, 1.3) for i in range(2)], broker="kraken")


def answering(rest, **query):
    response = candles(rest, **range_of(T0, T0 + 1), **query)
    return response.headers["X-Broker"], [item["open"] for item in response.json()]


@pytest.mark.usefixtures("three_brokers")
def test_candles_without_broker_are_dukascopys_if_it_has_ticks(rest):
    assert answering(rest) == ("dukascopy", [1.1])


@pytest.mark.usefixtures("three_brokers")
def test_candles_without_broker_are_the_history_brokers_if_set(rest):
    Instrument.objects.update(history_broker="kraken")

    assert answering(rest) == ("kraken", [1.3])


def test_candles_without_broker_or_dukascopy_are_of_the_most_ticks(
    rest, transactional_db
):
    store_quotes([(T0, 1.3, 1.3)], broker="kraken")
    store_quotes([(T0 + i, 1.2, 1.2) for i in range(3)], broker="oanda")

    assert answering(rest) == ("oanda", [1.2])


@pytest.mark.usefixtures("three_brokers")
def test_candles_of_a_named_broker_are_its_own(rest):
    assert answering(rest, broker="OANDA") == ("oanda", [1.2])
    assert answering(rest, broker="kraken") == ("kraken", [1.3])


@pytest.mark.usefixtures("three_brokers")
def test_candles_of_broker_without_data_name_those_that_have(rest):
    response = candles(rest, broker="binance", **range_of(T0, T0 + 1))

    assert response.status_code == 404
    assert response.json() == {
        "error": "expected one of dukascopy, kraken, oanda, found broker 'binance'",
        "code": "UNKNOWN_BROKER",
    }


@pytest.mark.usefixtures("three_brokers")
def test_metadata_names_all_brokers_with_data_and_gives_one_series(rest):
    one = rest.get("/api/metadata/EURUSD").json()
    every = rest.get("/api/metadata").json()["symbols"]

    assert one["brokers"] == ["dukascopy", "kraken", "oanda"]
    assert one["tick_count"] == 1
    assert every == [{key: one[key] for key in one if key != "timeframes"}]


def test_metadata_version_changes_with_the_past_and_not_with_live_ticks(
    rest, transactional_db
):
    def version():
        return rest.get("/api/metadata/EURUSD").json()["version"]

    store_quotes([(T0, 1.1, 1.1), (T0 + 60, 1.1, 1.1)])
    first = version()
    store_quotes([(T0 + 90, 1.1, 1.1)])
    after_live = version()
    store_quotes([(T0 + 30, 1.1, 1.1)])

    assert after_live == first
    assert version() != first


@pytest.mark.parametrize(
    ("address", "statements"),
    [
        (f"/api/candles?symbol=EURUSD&from={T0}&to={T0 + HOUR}", 2),
        (f"/api/candles/EURUSD/1m?from={T0}&to={T0 + HOUR}&broker=dukascopy", 2),
        (f"/api/candles?symbol=EURUSD&timeframe=12h&from={T0}&to={NOW}&limit=9", 2),
        (f"/api/candles?symbol=XXXYYY&from={T0}&to={T0 + HOUR}", 1),
        ("/api/candles?symbol=EURUSD", 0),
        (f"/api/ticks?symbol=EURUSD&from={T0}", 2),
        ("/api/metadata", 1),
        ("/api/metadata/EURUSD", 1),
        ("/api/metadata/XXXYYY", 1),
        ("/api/symbols", 1),
        ("/api/brokers", 1),
        (f"/api/coverage?symbol=EURUSD&from={T0}&to={T0 + HOUR}", 2),
        (f"/api/coverage?symbol=EURUSD&broker=oanda&from={T0}&to={T0 + HOUR}", 2),
        ("/api/coverage?symbol=XXXYYY", 1),
        ("/udf/config", 1),
        ("/udf/symbols?symbol=EURUSD", 1),
        ("/udf/search?query=EUR", 1),
        (f"/udf/history?symbol=EURUSD&resolution=60&from={T0}&to={T0 + HOUR}", 2),
        ("/udf/time", 0),
    ],
)
@pytest.mark.usefixtures("fixture_ticks")
def test_requests_need_two_statements_at_most(rest, address, statements):
    store_quotes([(T0, 1.1, 1.2)], broker="oanda")

    with CaptureQueriesContext(connection) as of_django:
        rest.get(address)

    assert len(of_django) == 0
    assert rest.statements == statements


@pytest.mark.usefixtures("fixture_ticks")
def test_bars_of_an_empty_range_need_a_third_statement_for_the_last_bar_before(rest):
    ends = f"from={T0 + 9 * HOUR}&to={T0 + 10 * HOUR}"

    answer = rest.get(f"/udf/history?symbol=EURUSD&resolution=60&{ends}")

    assert answer.json() == {"s": "no_data", "nextTime": T0 + HOUR}
    assert rest.statements == 3


@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_35_browsable_page_for_browsers_and_json_for_others(rest):
    page = rest.get(
        f"/api/candles?symbol=EURUSD&from={T0}&to={T0 + HOUR}", Accept=CHROME
    )

    text = page.content.decode()
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<!DOCTYPE html>" in text
    assert "1.10519" in text
    assert "X-Broker" in text
    for accept in ("*/*", "application/json", "image/png"):
        response = candles(rest, **range_of(T0, T0 + HOUR), Accept=accept)
        assert response.json() == HOURS


@pytest.mark.usefixtures("fixture_ticks")
def test_compat_check_35_browsable_page_shows_errors_too(rest):
    page = rest.get("/api/candles?symbol=EURUSD", Accept=CHROME)

    assert page.status_code == 400
    assert "VALIDATION_ERROR" in page.content.decode()


def test_candles_without_database_url_answer_503(rest, settings):
    settings.DATABASE_URL = ""

    for address in (
        f"/api/candles?symbol=EURUSD&from={T0}&to={T0 + 1}",
        "/api/metadata",
    ):
        response = rest.get(address)

        assert response.status_code == 503
        assert response.json() == {
            "error": "No database is configured (DATABASE_URL)",
            "code": "DATABASE_ERROR",
        }


@pytest.mark.parametrize(
    ("exc", "status", "body"),
    [
        (
            OperationalError('relation "ticks" does not exist'),
            503,
            {"error": "The database is not available", "code": "DATABASE_ERROR"},
        ),
        (
            ZeroDivisionError("SELECT 1"),
            500,
            {"error": "Internal server error", "code": "INTERNAL_ERROR"},
        ),
    ],
)
@pytest.mark.parametrize("debug", [True, False])
def test_compat_check_34_injected_errors_show_nothing_inside(
    rest, monkeypatch, settings, debug, exc, status, body
):
    def fail(*args: object):
        raise exc

    settings.DEBUG = debug
    monkeypatch.setattr(views, "series_of", fail)

    response = candles(rest, **range_of(T0, T0 + 1))

    assert response.status_code == status
    assert json.loads(response.content) == body


def test_options_names_the_methods(rest):
    response = rest.request("OPTIONS", "/api/candles")

    assert response.status_code == 204
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
