"""What holds for all views: statements, pages for people, errors, methods."""

import json

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from history import views
from tests.history.candle_requests import (
    CHROME,
    HOUR,
    HOURS,
    NOW,
    candles,
    range_of,
)
from tests.history.factories import T0, store_quotes


@pytest.mark.parametrize(
    ("address", "statements"),
    [
        (f"/api/candles?symbol=EURUSD&from={T0}&to={T0 + HOUR}", 2),
        (f"/api/candles/EURUSD/1m?from={T0}&to={T0 + HOUR}&broker=dukascopy", 2),
        pytest.param(
            f"/api/candles?symbol=EURUSD&timeframe=12h&from={T0}&to={NOW}&limit=9",
            2,
            id="candles-until-now",  # the same in all of pytest-xdist's workers
        ),
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
        ("/api/coverage?symbol=XXXYYY", 2),
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
    def fail(*args: object, **more: object):
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
