"""A broker's WebSocket, opened and lost in the same way for every adapter."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.http11 import USER_AGENT

from brokers.exceptions import FeedLost, FeedRefused

CONNECT_TIMEOUT_S = 10.0
# Closing must fit into the 10 s that a stopped feed has in all.
CLOSE_TIMEOUT_S = 2.0
# Frames that wait in our process before reading pauses; while it pauses no ping is
# answered. A read of 64 KiB holds some 400 frames, so less would pause at every burst.
MAX_QUEUE_FRAMES = 2_048
# Forbidden, banned, too many requests, not available in this country.
_REFUSALS = frozenset({403, 418, 429, 451})


@asynccontextmanager
async def open_socket(
    address: str,
    *,
    user_agent: str | None = USER_AGENT,
    on_alive: Callable[[], None] = lambda: None,
) -> AsyncIterator[ClientConnection]:
    """Give the open socket, and close it at the end.

    ``on_alive`` is called when the broker pings, or answers the ping that the library
    sends every 20 s.

    Raises:
        FeedRefused: the broker does not want us now; with the delay it asked for.
        FeedLost: no connection could be made, or what was done with it found it ended.
    """
    try:
        # The operating system's proxy settings are for people, not for feeds.
        async with connect(
            address,
            compression=None,
            proxy=None,
            open_timeout=CONNECT_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            max_queue=MAX_QUEUE_FRAMES,
            user_agent_header=user_agent,
            # Its annotation wants a class; "a wrapper or a subclass", says its text.
            create_connection=partial(_Watched, on_alive),  # type: ignore[arg-type]
        ) as socket:
            yield socket
    except InvalidStatus as exc:
        raise _refusal(exc) from exc
    except (OSError, TimeoutError, WebSocketException) as exc:
        raise FeedLost(f"{type(exc).__name__}: {exc}") from exc


class _Watched(ClientConnection):
    """Tells of pings and pongs, which the library answers and keeps to itself."""

    def __init__(self, on_alive: Callable[[], None], *args: Any, **options: Any):
        super().__init__(*args, **options)
        self._on_alive = on_alive

    def process_event(self, event: Any) -> None:
        super().process_event(event)
        if isinstance(event, Frame) and event.opcode in (Opcode.PING, Opcode.PONG):
            self._on_alive()


def _refusal(exc: InvalidStatus) -> FeedLost:
    status = exc.response.status_code
    if status not in _REFUSALS:
        return FeedLost(f"expected HTTP 101, found {status}")
    # A date is allowed here too, but brokers send seconds.
    seconds = exc.response.headers.get("Retry-After", "")
    return FeedRefused(status, float(seconds) if seconds.isdecimal() else 0.0)
