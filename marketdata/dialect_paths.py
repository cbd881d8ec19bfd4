"""Which dialect is spoken on which WebSocket path (PROTOCOL's first table)."""

from marketdata.dialects import Dialect
from marketdata.sessions.stream import COMBINED_STREAM, RAW_STREAM
from marketdata.sessions.unified import UNIFIED

ROOT_DIALECTS = ("unified", "stream", "gateway")  # the values of WS_ROOT_DIALECT


def dialect_of(path: str, *, root: str, gateway: Dialect) -> Dialect:
    """Return what is spoken on a path; a slash at its end makes no difference.

    ``root``, one of ROOT_DIALECTS, lives at `/` alone: each dialect keeps paths of its
    own, unified `/ws` and all that are not listed.
    """
    trimmed = path.rstrip("/")
    if not trimmed:
        at_root = {"unified": UNIFIED, "stream": COMBINED_STREAM, "gateway": gateway}
        return at_root[root]
    if trimmed in ("/stream", "/binance/stream"):
        return COMBINED_STREAM
    if trimmed == "/gateway":
        return gateway
    if trimmed == "/binance/ws" or path.startswith("/binance/ws/"):
        return RAW_STREAM
    if path.startswith("/ws/") and "@" in path:
        return RAW_STREAM
    return UNIFIED
