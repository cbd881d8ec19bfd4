"""What this process serves, as plain numbers; the consumer counts, `/health` reads."""

import time


class Connections:
    """Counts of this process; ``clients`` are open WebSockets in any dialect.

    ``received`` are frames of clients, since the start.
    """

    def __init__(self) -> None:
        self.clients = 0
        self.subscriptions = 0
        self.received = 0
        self._started_s = time.monotonic()

    @property
    def uptime_s(self) -> float:
        """Seconds since the process began to count."""
        return time.monotonic() - self._started_s


# Numbers only, never sockets: the one place that the two sides of a process share.
connections = Connections()
