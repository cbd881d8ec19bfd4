"""What this process serves: its clients, and plain numbers, which `/health` reads."""

import heapq
import time
from collections import Counter
from itertools import count
from typing import Protocol

from marketdata.process_messages import ClientFigures


class Way(Protocol):
    """The outbox of a client: frames sent, and bytes that wait."""

    sent: int
    queued_bytes: int
    skipped: int


class LiveClient(Protocol):
    """A client that is connected; see `ListedClient`."""

    @property
    def outbox(self) -> Way:
        """Its way out."""

    @property
    def words(self) -> str:
        """What a search looks at, in lower case."""

    def figures(self, number: int) -> ClientFigures:
        """Return how it is now."""

    def close(self) -> None:
        """Close its connection."""


class Connections:
    """Counts of this process; ``clients`` are open WebSockets in any dialect.

    ``total`` are all there were since the start, ``received`` the frames of clients,
    ``closed`` those that we closed, by code.
    """

    def __init__(self) -> None:
        self.clients = 0
        self.total = 0
        self.subscriptions = 0
        self.received = 0
        self._present: dict[int, LiveClient] = {}
        self._numbers = count(1)
        self.closed: Counter[int] = Counter()
        self._sent_before = 0
        self._skipped_before = 0
        self._started_s = time.monotonic()

    def enter(self, client: LiveClient) -> int:
        """Count a client that may stay; return the number to leave with."""
        number = next(self._numbers)
        self.clients += 1
        self.total += 1
        self._present[number] = client
        return number

    def leave(self, number: int) -> None:
        """Count a client no more; it had entered."""
        self.clients -= 1
        outbox = self._present.pop(number).outbox
        self._sent_before += outbox.sent
        self._skipped_before += outbox.skipped

    def find(self, number: int) -> LiveClient | None:
        """Return the client of a number, None if it has left."""
        return self._present.get(number)

    def listed(self, most: int, text: str = "") -> tuple[int, list[ClientFigures]]:
        """Return how many clients have the text in their words, and ``most`` of them.

        Those for which the most bytes wait, then the oldest. Looks at each client, so
        not for the hot path: some 10 ms for 10,000.
        """
        text = text.casefold()
        found = [
            (number, client)
            for number, client in self._present.items()
            if not text or text in client.words
        ]
        worst = heapq.nlargest(
            most, found, key=lambda item: (item[1].outbox.queued_bytes, -item[0])
        )
        return len(found), [client.figures(number) for number, client in worst]

    @property
    def sent(self) -> int:
        """Frames sent since the start; asks each client, so not for the hot path."""
        return self._sent_before + sum(
            client.outbox.sent for client in self._present.values()
        )

    @property
    def skipped(self) -> int:
        """Records that conflation left out since the start; asks each client, too."""
        return self._skipped_before + sum(
            client.outbox.skipped for client in self._present.values()
        )

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait for sockets; asks each client, too."""
        return sum(client.outbox.queued_bytes for client in self._present.values())

    @property
    def uptime_s(self) -> float:
        """Seconds since the process began to count."""
        return time.monotonic() - self._started_s


# The one place that the two sides of a process share.
connections = Connections()
