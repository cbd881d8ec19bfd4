"""A client as staff sees it in the admin: one of a web process's list."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from marketdata.codes import CloseCode
from marketdata.dialects import Session
from marketdata.outbox import Outbox
from marketdata.process_messages import ClientFigures

End = Callable[[CloseCode, str], None]


class Origin(NamedTuple):
    """Where a client came from and to: its address, our path, what is spoken there."""

    address: str
    path: str
    dialect: str


class ListedClient:
    """A connected client; ``end`` closes its socket."""

    __slots__ = ("_end", "_origin", "_session", "_since_s", "outbox")

    def __init__(
        self, origin: Origin, session: Session, outbox: Outbox, end: End
    ) -> None:
        self.outbox = outbox
        self._origin = origin
        self._session = session
        self._end = end
        self._since_s = time.time()

    @property
    def words(self) -> str:
        """What a search looks at, in lower case."""
        client, origin = self._session.client, self._origin
        words = f"{origin.address} {client.id} {client.plan.name} {origin.path}"
        return words.casefold()

    def figures(self, number: int) -> ClientFigures:
        """Return how the client is now."""
        outbox, client, origin = self.outbox, self._session.client, self._origin
        waits_since_s = outbox.waits_since_s
        return ClientFigures(
            number=number,
            address=origin.address,
            name=client.id,
            plan=client.plan.name,
            path=origin.path,
            dialect=origin.dialect,
            subscriptions=self._session.subscription_count,
            sent=outbox.sent,
            queued_bytes=outbox.queued_bytes,
            behind_s=time.monotonic() - waits_since_s if waits_since_s else 0.0,
            skipped=outbox.skipped,
            since_s=self._since_s,
        )

    def close(self) -> None:
        """Close the connection; who calls may be in the middle of the hub's sets."""
        asyncio.get_running_loop().call_soon(
            self._end, CloseCode.CLOSED_BY_STAFF, "closed by the server's staff"
        )
