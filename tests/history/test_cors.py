import pytest

from history.cors import cors_headers, preflight_headers

ALLOWED = ["http://localhost:3000", "https://*.example.com"]


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "https://charts.example.com"]
)
def test_cors_headers_name_an_allowed_origin(origin):
    headers = cors_headers(origin, ALLOWED)

    assert headers["Access-Control-Allow-Origin"] == origin
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert "X-Next-Cursor" in headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("origin", [None, "null", "https://evil.com"])
def test_cors_headers_of_any_other_are_none(origin):
    assert cors_headers(origin, ALLOWED) == {}
    assert preflight_headers({"Origin": origin} if origin else {}, ALLOWED) == {}


def test_preflight_headers_name_methods_and_headers():
    headers = preflight_headers({"Origin": ALLOWED[0]}, ALLOWED)

    assert headers["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
    assert "Authorization" in headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Expose-Headers" not in headers
