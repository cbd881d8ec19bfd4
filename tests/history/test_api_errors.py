import pytest
from django.core.exceptions import PermissionDenied
from django.db import DataError, InterfaceError, OperationalError, ProgrammingError
from django.http import Http404
from django.test import RequestFactory
from rest_framework import exceptions as drf

from history.api_errors import (
    STATUSES,
    bad_request,
    handle_exception,
    not_found,
    permission_denied,
    server_error,
    validation_details,
)
from history.exceptions import (
    DatabaseUnavailable,
    InvalidTimeframe,
    MissingParameters,
    SymbolNotFound,
)
from marketdata.exceptions import UnknownBroker

SECRET = 'relation "secret_table" does not exist, SELECT password FROM users'


def answer(exc):
    response = handle_exception(exc, {"request": RequestFactory().get("/api/x?y=1")})
    return response.status_code, response.data


@pytest.mark.parametrize(
    ("exc", "status", "body"),
    [
        (
            SymbolNotFound("XXXYYY"),
            404,
            {
                "error": "Symbol 'XXXYYY' not found in database",
                "code": "SYMBOL_NOT_FOUND",
            },
        ),
        (
            MissingParameters(),
            400,
            {
                "error": "Missing required query parameters: 'from' and 'to' "
                "(Unix timestamps in seconds)",
                "code": "MISSING_PARAMETERS",
            },
        ),
        (
            InvalidTimeframe("7m", ("1m", "5m")),
            400,
            {
                "error": "Invalid timeframe '7m'. Must be one of: 1m, 5m",
                "code": "INVALID_TIMEFRAME",
                "details": [
                    {
                        "field": "timeframe",
                        "message": "Invalid timeframe '7m'. Must be one of: 1m, 5m",
                    }
                ],
            },
        ),
        (
            DatabaseUnavailable(),
            503,
            {
                "error": "No database is configured (DATABASE_URL)",
                "code": "DATABASE_ERROR",
            },
        ),
        (
            UnknownBroker("x", ["binance", "dukascopy"]),
            404,
            {
                "error": "expected one of binance, dukascopy, found broker 'x'",
                "code": "UNKNOWN_BROKER",
            },
        ),
        (
            Http404("something inside"),
            404,
            {"error": "Endpoint not found", "code": "NOT_FOUND", "path": "/api/x"},
        ),
        (
            drf.NotFound(),
            404,
            {"error": "Endpoint not found", "code": "NOT_FOUND", "path": "/api/x"},
        ),
        (
            drf.MethodNotAllowed("POST"),
            405,
            {"error": "Method not allowed", "code": "METHOD_NOT_ALLOWED"},
        ),
        (
            drf.ParseError("JSON parse error"),
            400,
            {
                "error": "Validation failed",
                "code": "VALIDATION_ERROR",
                "details": [{"field": "", "message": "JSON parse error"}],
            },
        ),
        (
            PermissionDenied("inside"),
            403,
            {"error": "Permission denied", "code": "FORBIDDEN"},
        ),
    ],
)
def test_handle_exception_answers_status_and_body(exc, status, body):
    assert answer(exc) == (status, body)


@pytest.mark.parametrize(
    "kind", [OperationalError, ProgrammingError, InterfaceError, DataError]
)
def test_handle_exception_of_database_error_hides_its_text(kind):
    assert answer(kind(SECRET)) == (
        503,
        {"error": "The database is not available", "code": "DATABASE_ERROR"},
    )


def test_handle_exception_of_anything_else_is_internal_error_without_text():
    assert answer(RuntimeError(SECRET)) == (
        500,
        {"error": "Internal server error", "code": "INTERNAL_ERROR"},
    )


def test_handle_exception_of_throttle_says_when_to_come_back():
    response = handle_exception(
        drf.Throttled(wait=7.2), {"request": RequestFactory().get("/")}
    )

    assert response.status_code == 429
    assert response.headers["Retry-After"] == "8"
    assert response.data["code"] == "RATE_LIMIT_EXCEEDED"


def test_validation_details_lists_fields_in_order_and_rules_as_empty():
    details = validation_details({"from": ["a", "b"], "non_field_errors": ["c"]})

    assert details == [
        {"field": "from", "message": "a"},
        {"field": "from", "message": "b"},
        {"field": "", "message": "c"},
    ]


@pytest.mark.parametrize(
    ("handler", "status", "body"),
    [
        (
            bad_request,
            400,
            b'{"error":"Validation failed","code":"VALIDATION_ERROR","details":[]}',
        ),
        (permission_denied, 403, b'{"error":"Permission denied","code":"FORBIDDEN"}'),
        (
            not_found,
            404,
            b'{"error":"Endpoint not found","code":"NOT_FOUND","path":"/nowhere"}',
        ),
    ],
)
def test_handlers_of_addresses_answer_json(handler, status, body):
    response = handler(RequestFactory().get("/nowhere"), Exception(SECRET))

    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/json"
    assert response.content == body


def test_server_error_says_nothing_of_the_cause():
    response = server_error(RequestFactory().get("/"))

    assert response.status_code == 500
    assert response.content == (
        b'{"error":"Internal server error","code":"INTERNAL_ERROR"}'
    )


def test_statuses_are_error_statuses():
    assert all(400 <= status < 600 for status in STATUSES.values())
