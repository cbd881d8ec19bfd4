"""Cross-origin access for web pages of others (COMPAT A-RE-12), as response headers."""

from collections.abc import Iterable, Mapping

from marketdata.origins import is_listed

# Server A's, although nothing here is posted yet; HEAD needs no permission.
_METHODS = "GET, POST, OPTIONS"
_HEADERS = "Content-Type, Authorization, X-API-Key, If-None-Match"
_EXPOSED = (
    "ETag, Link, X-Broker, X-Next-Cursor, X-Data-Available, X-Available-From, "
    "X-Available-To, Warning, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, "
    "RateLimit-Policy, Retry-After"
)
_PREFLIGHT_MAX_AGE_S = 600


def cors_headers(origin: str | None, allowed: Iterable[str]) -> dict[str, str]:
    """Return what lets a page of this origin read the answer; empty if it may not."""
    if origin is None or not is_listed(origin, allowed):
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": _EXPOSED,
    }


def preflight_headers(
    requested: Mapping[str, str], allowed: Iterable[str]
) -> dict[str, str]:
    """Return the answer to a preflight request with these headers."""
    headers = cors_headers(requested.get("Origin"), allowed)
    if not headers:
        return {}
    del headers["Access-Control-Expose-Headers"]
    return {
        **headers,
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": _HEADERS,
        "Access-Control-Max-Age": str(_PREFLIGHT_MAX_AGE_S),
    }
