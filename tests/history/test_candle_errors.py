"""What is wrong with a question for candles (COMPAT checks 28 and 29)."""

import pytest

from tests.history.candle_requests import HOUR, HOURS, YEAR, candles, range_of
from tests.history.factories import T0

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
