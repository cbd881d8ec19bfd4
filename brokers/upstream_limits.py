"""What a broker allows one address or account, counted in one place. Pure.

One object per broker and process; all its connections count in it.
"""

import math
from collections import deque


class Pace:
    """At most ``count`` requests in any ``period_s``, in order."""

    def __init__(self, count: int, period_s: float = 1.0) -> None:
        self._period_s = period_s
        self._sent: deque[float] = deque([-math.inf] * count, maxlen=count)

    def reserve_s(self, now_s: float) -> float:
        """Count a request, and return the seconds to wait before it may be sent."""
        start_s = max(now_s, self._sent[-1], self._sent[0] + self._period_s)
        self._sent.append(start_s)
        return start_s - now_s


class UpstreamLimits:
    """How many connections may be open, what each may follow, how fast to ask.

    Args:
        connections: open at a time.
        streams: followed over one connection.
        requests: pace of requests, of all connections together.
        connects: pace of attempts to connect.
    """

    def __init__(
        self, *, connections: int, streams: int, requests: Pace, connects: Pace
    ) -> None:
        self.requests = requests
        self.connects = connects
        self.open = 0
        self._connections = connections
        self._streams = streams

    @property
    def has_room(self) -> bool:
        """Return whether one more connection may be opened."""
        return self.open < self._connections

    @property
    def max_streams(self) -> int:
        """Return how many streams all connections together can follow."""
        return self._connections * self._streams

    def take(self) -> bool:
        """Count one more connection; False, and nothing counted, without room."""
        if not self.has_room:
            return False
        self.open += 1
        return True

    def give_back(self) -> None:
        """Count one connection less."""
        self.open -= 1

    def connections_for(self, streams: int) -> int:
        """Return how many connections so many streams need, as far as allowed."""
        return min(self._connections, math.ceil(streams / self._streams))
