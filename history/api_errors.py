"""Errors on REST: every one is `{"error", "code", ...}`, whoever raised it.

Texts of the database, stack traces and SQL never leave; they are logged here.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
import structlog
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views.csrf import csrf_failure
from rest_framework import exceptions as drf
from rest_framework.response import Response

from history.codes import RestCode
from history.exceptions import (
    HistoryError,
    InvalidQuery,
    InvalidTimeframe,
    RangeTooLong,
)
from history.renderers import FastJSONRenderer
from marketdata.exceptions import MarketDataError

log = structlog.get_logger(__name__)

# HTTP status of each code that REST answers (PROTOCOL section 8).
STATUSES: dict[str, int] = {
    RestCode.VALIDATION_ERROR: 400,
    RestCode.MISSING_PARAMETERS: 400,
    RestCode.INVALID_TIMEFRAME: 400,
    RestCode.RANGE_TOO_LARGE: 400,
    RestCode.INVALID_AUTH: 401,
    RestCode.FORBIDDEN: 403,
    RestCode.SYMBOL_NOT_FOUND: 404,
    RestCode.UNKNOWN_BROKER: 404,
    RestCode.NOT_FOUND: 404,
    RestCode.METHOD_NOT_ALLOWED: 405,
    RestCode.RATE_LIMIT_EXCEEDED: 429,
    RestCode.INTERNAL_ERROR: 500,
    RestCode.DATABASE_ERROR: 503,
}
# RFC 9110 section 11.6.1 wants it.
_HEADERS = {"INVALID_AUTH": {"WWW-Authenticate": "Bearer"}}
_AWAY = (
    OperationalError,
    InterfaceError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)
# Of DRF's own errors, by status; what is not here is a bad request.
_DRF_CODES = {
    401: RestCode.INVALID_AUTH,
    403: RestCode.FORBIDDEN,
    404: RestCode.NOT_FOUND,
    405: RestCode.METHOD_NOT_ALLOWED,
    429: RestCode.RATE_LIMIT_EXCEEDED,
    500: RestCode.INTERNAL_ERROR,
}
_TEXTS: dict[str, str] = {
    RestCode.VALIDATION_ERROR: "Validation failed",
    RestCode.INVALID_AUTH: "Invalid authentication",
    RestCode.FORBIDDEN: "Permission denied",
    RestCode.NOT_FOUND: "Endpoint not found",
    RestCode.METHOD_NOT_ALLOWED: "Method not allowed",
    RestCode.RATE_LIMIT_EXCEEDED: (
        "Too many requests from this IP, please try again later"
    ),
    RestCode.INTERNAL_ERROR: "Internal server error",
    RestCode.DATABASE_ERROR: "The database is not available",
}


def error_body(code: str, text: str = "", **more: Any) -> dict[str, Any]:
    """Return the body of an error; without a text the code's own is used."""
    return {"error": text or _TEXTS[code], "code": code, **more}


def handle_exception(exc: Exception, context: Mapping[str, Any]) -> Response:
    """Return the answer to whatever a view of DRF's own raised."""
    status, body, headers = describe(exc, context["request"].path)
    return Response(body, status=status, headers=headers)


def response_to(exc: Exception, path: str) -> HttpResponse:
    """Return the answer to whatever a view raised at this path."""
    status, body, headers = describe(exc, path)
    return add_headers(json_response(body, status), headers)


def describe(
    exc: Exception, path: str
) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    """Return status, body and headers of an error; what is our fault is logged."""
    headers: Mapping[str, str] = {}
    if isinstance(exc, drf.APIException):
        return exc.status_code, _drf_body(exc, path), _drf_headers(exc)
    if isinstance(exc, HistoryError | MarketDataError):
        body = _own_body(exc)
        headers = getattr(exc, "headers", _HEADERS.get(exc.code, headers))
    elif isinstance(exc, Http404):
        body = error_body(RestCode.NOT_FOUND, path=path)
    elif isinstance(exc, PermissionDenied):
        body = error_body(RestCode.FORBIDDEN)
    elif isinstance(exc, SuspiciousOperation):
        body = error_body(RestCode.VALIDATION_ERROR, details=[])
    elif isinstance(exc, DatabaseError | psycopg.Error):
        # Of a database that is away each request would log the same stack.
        is_away = isinstance(exc, _AWAY)
        stack = None if is_away else exc
        log.error("database error", path=path, error=str(exc), exc_info=stack)
        body = error_body(RestCode.DATABASE_ERROR)
    else:
        log.error("request failed", path=path, exc_info=exc)
        body = error_body(RestCode.INTERNAL_ERROR)
    return STATUSES.get(body["code"], 400), body, headers


def _drf_body(exc: drf.APIException, path: str) -> dict[str, Any]:
    if isinstance(exc, drf.ValidationError):
        return error_body(
            RestCode.VALIDATION_ERROR, details=validation_details(exc.detail)
        )
    code = _DRF_CODES.get(exc.status_code, RestCode.VALIDATION_ERROR)
    if code == RestCode.NOT_FOUND:
        return error_body(code, path=path)
    if code == RestCode.VALIDATION_ERROR:
        details = [{"field": "", "message": str(exc.detail)}]
        return error_body(code, details=details)
    return error_body(code)


def _drf_headers(exc: drf.APIException) -> dict[str, str]:
    headers = {}
    if getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = exc.auth_header
    if getattr(exc, "wait", None):
        headers["Retry-After"] = str(exc.wait)  # rounded up by DRF
    return headers


def _own_body(exc: HistoryError | MarketDataError) -> dict[str, Any]:
    if isinstance(exc, InvalidQuery):
        return error_body(exc.code, details=exc.details)
    if exc.code == RestCode.VALIDATION_ERROR:
        return error_body(exc.code, details=[{"field": "", "message": str(exc)}])
    if isinstance(exc, InvalidTimeframe | RangeTooLong):
        field = "timeframe" if isinstance(exc, InvalidTimeframe) else ""
        details = [{"field": field, "message": str(exc)}]
        return error_body(exc.code, str(exc), details=details)
    return error_body(exc.code, str(exc))


def validation_details(errors: Any) -> list[dict[str, str]]:
    """Return a serializer's errors as `[{"field", "message"}]`, in its order.

    A rule over several fields has the field "".
    """
    if not isinstance(errors, Mapping):
        errors = {"": errors}
    return [
        {"field": "" if field == "non_field_errors" else field, "message": str(message)}
        for field, messages in errors.items()
        for message in messages
    ]


def add_headers(response: HttpResponse, headers: Mapping[str, str]) -> HttpResponse:
    """Set the headers and return the response."""
    for name, value in headers.items():
        response.headers[name] = value
    return response


def json_response(body: Any, status: int = 200) -> HttpResponse:
    """Return a JSON answer; the body is of structs, dicts and lists."""
    return HttpResponse(
        FastJSONRenderer().render(body), status=status, content_type="application/json"
    )


def error_response(code: str, **more: Any) -> HttpResponse:
    """Return an error of a view that is not DRF's."""
    return json_response(error_body(code, **more), STATUSES[code])


def bad_request(
    request: HttpRequest | None, exception: Exception | None = None
) -> HttpResponse:
    """Answer a request that Django itself refuses; `handler400` of the addresses."""
    return error_response(RestCode.VALIDATION_ERROR, details=[])


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what is not allowed; `handler403` of the addresses."""
    return error_response(RestCode.FORBIDDEN)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form without the token of its page; the admin shows Django's page."""
    if request.path.startswith("/admin/"):
        return csrf_failure(request, reason)
    return error_response(RestCode.FORBIDDEN)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer an address that does not exist; `handler404` of the addresses."""
    return error_response(RestCode.NOT_FOUND, path=request.path)


async def not_found_view(request: HttpRequest) -> HttpResponse:
    """Answer an address that REST does not have, also with DEBUG."""
    return not_found(request)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer after an error that nothing caught; `handler500` of the addresses."""
    return error_response(RestCode.INTERNAL_ERROR)
