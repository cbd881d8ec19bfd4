"""The one shape of errors.

REST answers every error, whatever raised it, as

    {"error": "<text>", "code": "<CODE>", ...}

with a code of the documented list; nothing of the inside (SQL, stack, module names)
is in it. `details` is a list of {"field", "message"}.
"""

import re
from collections.abc import Iterator

import pytest

from history import views
from history.api_errors import STATUSES
from history.exceptions import HistoryError
from marketdata.exceptions import MarketDataError

T0 = 1_704_153_600
RANGE = f"from={T0}&to={T0 + 60}"

# Address and what it answers; each status of each endpoint that needs no data.
REQUESTS = [
    ("get", "/api/candles", 400, "VALIDATION_ERROR"),
    ("get", "/api/candles?symbol=EURUSD&from=abc&to=1", 400, "VALIDATION_ERROR"),
    (
        "get",
        f"/api/candles?symbol=EURUSD&timeframe=7m&{RANGE}",
        400,
        "VALIDATION_ERROR",
    ),
    (
        "get",
        f"/api/candles?symbol=EURUSD&align=UTC@17:00&{RANGE}",
        400,
        "VALIDATION_ERROR",
    ),
    ("get", "/api/candles/EURUSD/1h", 400, "MISSING_PARAMETERS"),
    ("get", f"/api/candles/EURUSD/7m?{RANGE}", 400, "INVALID_TIMEFRAME"),
    ("get", f"/api/candles/%00/1h?{RANGE}", 400, "VALIDATION_ERROR"),
    ("get", f"/api/candles/EURUSD/1h?{RANGE}", 404, "SYMBOL_NOT_FOUND"),
    ("get", f"/api/candles?symbol=EURUSD&{RANGE}", 404, "SYMBOL_NOT_FOUND"),
    ("get", "/api/metadata?symbol=EURUSD", 404, "SYMBOL_NOT_FOUND"),
    ("get", "/api/metadata?symbol=", 400, "VALIDATION_ERROR"),
    ("get", "/api/metadata/EURUSD", 404, "SYMBOL_NOT_FOUND"),
    ("get", "/api/ticks?symbol=EURUSD", 400, "VALIDATION_ERROR"),
    ("get", f"/api/ticks?symbol=EURUSD&{RANGE}", 404, "SYMBOL_NOT_FOUND"),
    ("get", f"/api/ticks?symbol=EURUSD&cursor=x&{RANGE}", 400, "VALIDATION_ERROR"),
    ("get", "/api/coverage", 400, "VALIDATION_ERROR"),
    ("get", "/api/coverage?symbol=EURUSD", 404, "SYMBOL_NOT_FOUND"),
    ("get", "/api", 404, "NOT_FOUND"),
    ("get", "/api/", 404, "NOT_FOUND"),
    ("get", "/api/nothing", 404, "NOT_FOUND"),
    ("get", "/api/candles/EURUSD", 404, "NOT_FOUND"),
    ("post", "/api/nothing", 404, "NOT_FOUND"),
    ("get", "/nothing", 404, "NOT_FOUND"),
    ("get", "/health/nothing", 404, "NOT_FOUND"),
    ("post", "/api/candles", 405, "METHOD_NOT_ALLOWED"),
    ("put", "/api/candles/EURUSD/1h", 405, "METHOD_NOT_ALLOWED"),
    ("delete", "/api/metadata", 405, "METHOD_NOT_ALLOWED"),
    ("patch", "/api/metadata/EURUSD", 405, "METHOD_NOT_ALLOWED"),
    ("post", "/health", 405, "METHOD_NOT_ALLOWED"),
    ("post", "/metrics", 405, "METHOD_NOT_ALLOWED"),
]


def assert_shape(response, status: int, code: str) -> None:
    body = response.json()
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/json"
    assert list(body)[:2] == ["error", "code"]
    assert isinstance(body["error"], str)
    assert body["error"]
    assert body["code"] == code
    assert STATUSES[code] == status
    assert set(body) <= {"error", "code", "details", "path"}
    for item in body.get("details", ()):
        assert list(item) == ["field", "message"]
        assert all(isinstance(value, str) for value in item.values())


@pytest.mark.parametrize(("method", "address", "status", "code"), REQUESTS)
@pytest.mark.django_db(transaction=True)
def test_errors_have_the_shape(rest, method, address, status, code):
    response = rest.request(method.upper(), address)

    assert_shape(response, status, code)


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("address", ["/api/nothing", "/api/candles/EURUSD/"])
def test_compat_check_34_unknown_address_names_its_path(
    rest, settings, debug, method, address
):
    settings.DEBUG = debug
    response = rest.request(method.upper(), f"{address}?a=b")

    assert response.status_code == 404
    assert response.json() == {
        "error": "Endpoint not found",
        "code": "NOT_FOUND",
        "path": address,
    }


def test_compat_check_34_wrong_method_says_which_are_allowed(rest):
    response = rest.request("POST", "/api/candles")

    assert_shape(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_compat_check_34_refused_host_is_a_validation_error(rest, settings):
    settings.ALLOWED_HOSTS = ["example.org"]

    assert_shape(rest.get("/api/metadata"), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("accept", ["*/*", "image/png", "text/csv"])
def test_compat_check_34_unexpected_error_is_internal(rest, monkeypatch, accept):
    def fail(*args: object) -> None:
        raise KeyError("SELECT secret FROM table")

    monkeypatch.setattr(views, "all_series_of", fail)

    response = rest.get("/api/metadata", Accept=accept)

    assert_shape(response, 500, "INTERNAL_ERROR")
    assert b"SELECT" not in response.content
    assert b"Traceback" not in response.content


def tree(base: type[Exception]) -> Iterator[type[Exception]]:
    for kind in base.__subclasses__():
        yield kind
        yield from tree(kind)


def test_every_error_of_the_history_has_a_code_that_rest_knows():
    codes = {kind.code for kind in tree(HistoryError)}

    assert codes
    assert codes <= set(STATUSES)


@pytest.mark.parametrize(
    "kind", sorted(tree(MarketDataError), key=lambda k: k.__name__)
)
def test_every_error_of_the_market_data_has_a_code(kind):
    assert re.fullmatch("[A-Z]+(_[A-Z]+)*", kind.code)
