"""Which web pages may use this server (PROTOCOL section 5, COMPAT A-RE-12)."""

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


def is_allowed(origin: str | None, host: str, allowed: Iterable[str]) -> bool:
    """Return True if a page of this origin may connect.

    Programs send no origin and may. A page may if it was served by ``host``, the value
    of the Host header, or if ``allowed`` lists its origin.
    """
    if origin is None or is_listed(origin, allowed):
        return True
    try:
        parts = urlsplit(origin.lower())
        port = parts.port or _PORTS.get(parts.scheme)
        ours = urlsplit(f"//{host.lower()}")
        # A proxy may end TLS, so the page's scheme tells the port that it meant.
        our_port = ours.port or _PORTS.get(parts.scheme)
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.hostname, port) == (ours.hostname, our_port)


def is_listed(origin: str, allowed: Iterable[str]) -> bool:
    """Return True if an entry is the origin (`https://example.com`) or fits it.

    A `*` in an entry stands for any part of a host name or port, dots included:
    `https://*.example.com`, `http://localhost:*`; the entry `*` is every origin.
    """
    return any(_pattern(entry).fullmatch(origin.lower()) for entry in allowed)


@lru_cache(maxsize=256)
def _pattern(entry: str) -> re.Pattern[str]:
    entry = entry.rstrip("/").lower()
    if entry == "*":
        return re.compile(".*", re.DOTALL)
    # No slash and no colon: neither can a host name be left nor a port be added.
    return re.compile("[a-z0-9.-]+".join(map(re.escape, entry.split("*"))))
