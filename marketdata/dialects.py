"""What a dialect is: how a session speaks, on one family of paths."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from marketdata.catalog import Catalog
from marketdata.clients import Client
from marketdata.codes import CloseCode, ErrorCode
from marketdata.effects import Close, Effect


class Figures(msgspec.Struct, frozen=True):
    """Of one socket: frames sent, bytes that wait, records left out for it."""

    sent: int
    queued_bytes: int
    skipped: int


class Session(Protocol):
    """The state of one client's socket; no I/O, time is passed in."""

    client: Client

    @property
    def subscription_count(self) -> int:
        """Number of subscriptions that count against the plan."""

    def open(self, catalog: Catalog) -> Sequence[Effect]:
        """Return what to do when the socket has opened."""

    def receive(
        self, text: str | bytes, *, catalog: Catalog, now_us: int
    ) -> Sequence[Effect]:
        """Return what to do about a client's frame (bytes: a binary one)."""

    def heartbeat(self, now_us: int, figures: Figures) -> bytes | None:
        """Return the heartbeat frame, None if the dialect has none."""

    def error(
        self, code: ErrorCode, message: str, *, text: str | bytes = ""
    ) -> bytes | None:
        """Return the frame of an error that the session did not find itself.

        ``text`` is the client's frame that it answers, for its id.
        """

    def end(self, code: CloseCode, message: str, *, reconnect_ms: int = 0) -> Close:
        """Return how to close the socket in the dialect's own words."""


class ServerFacts(msgspec.Struct, frozen=True):
    """What holds for all sessions of a server, and is told to clients."""

    server: str
    heartbeat_s: float
    max_frame_bytes: int
    max_queue_bytes: int


class Opening(msgspec.Struct, frozen=True):
    """What a client asked for by connecting; ``query`` has the URL's parameters."""

    path: str
    query: dict[str, str]
    client: Client


class Dialect(msgspec.Struct, frozen=True, eq=False):
    """A family of client frames; compared and hashed by identity."""

    name: str
    new_session: Callable[[ServerFacts, Opening], Session]
