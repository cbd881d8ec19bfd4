"""Which web pages may open a WebSocket here (PROTOCOL section 5)."""

from collections.abc import Iterable
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


def is_allowed(origin: str | None, host: str, allowed: Iterable[str]) -> bool:
    """Return True if a page of this origin may connect.

    Programs send no origin and may. A page may if it was served by ``host``, the value
    of the Host header, or if ``allowed`` has its origin (`https://example.com`) or `*`.
    """
    if origin is None:
        return True
    names = {item.rstrip("/").lower() for item in allowed}
    if "*" in names or origin.lower() in names:
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
