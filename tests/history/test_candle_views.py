"""Candles through REST over the real database (COMPAT checks 27, 30 and 31)."""

import time

import pytest

from tests.history.candle_requests import HOUR, HOURS, SIX, candles, range_of, row
from tests.history.factories import T0, make_instrument, store_quotes


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
