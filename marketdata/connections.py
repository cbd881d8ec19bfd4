"""What this process serves, as plain numbers; the consumer counts, `/health` reads."""

import time
from typing import Protocol


class Sender(Protocol):
    """Counts the frames that it sent."""

    sent: int


class Connections:
    """Counts of this process; ``clients`` are open WebSockets in any dialect.

    ``total`` are all there were since the start, ``received`` the frames of clients.
    """

    def __init__(self) -> None:
        self.clients = 0
        self.total = 0
        self.subscriptions = 0
        self.received = 0
        self._senders: set[Sender] = set()
        self._sent_before = 0
        self._started_s = time.monotonic()

    def enter(self, sender: Sender) -> None:
        """Count a client that may stay."""
        self.clients += 1
        self.total += 1
        self._senders.add(sender)

    def leave(self, sender: Sender) -> None:
        """Count a client no more; it had entered."""
        self.clients -= 1
        self._senders.discard(sender)
        self._sent_before += sender.sent

    @property
    def sent(self) -> int:
        """Frames sent since the start; asks each client, so not for the hot path."""
        return self._sent_before + sum(sender.sent for sender in self._senders)

    @property
    def uptime_s(self) -> float:
        """Seconds since the process began to count."""
        return time.monotonic() - self._started_s


# The one place that the two sides of a process share.
connections = Connections()
