"""How often a client may ask, and how much nonsense it may send (PROTOCOL section 4).

Times are seconds of any clock that only goes forward.
"""

import math
from collections import deque
from enum import Enum, auto

# An excess ends with so long a time in which nothing was refused.
CALM_S = 1.0
MAX_EXCESS_S = 10.0
MALFORMED_WINDOW_S = 60.0


class TokenBucket:
    """Lets ``rate`` events a second pass, ``burst`` at once; a rate of 0 lets all."""

    __slots__ = ("_at_s", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self._at_s = -math.inf  # so that it is full at first
        self._tokens = 0.0
        self.limit_to(rate, burst)

    def limit_to(self, rate: float, burst: float) -> None:
        """Go on with other limits; what was spent stays spent."""
        self._rate = rate
        self._burst = max(1.0, burst)  # less would let nothing pass, ever

    def take(self, now_s: float) -> bool:
        """Return True if one more may pass now, and count it."""
        if not self._rate:
            return True
        gained = max(0.0, now_s - self._at_s) * self._rate
        self._tokens = min(self._burst, self._tokens + gained)
        self._at_s = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Verdict(Enum):
    """What to do about a request."""

    ALLOWED = auto()
    LIMITED = auto()  # answer RATE_LIMITED and do nothing else
    CLOSE = auto()  # it has gone on for too long: close with 4006


class RequestGate:
    """The requests of one socket.

    An excess goes on while there is a refused request each second; a client that never
    rests from it is closed after 10 s.
    """

    __slots__ = ("_bucket", "_excess_since_s", "_refused_at_s")

    def __init__(self, rate: float, burst: float) -> None:
        self._bucket = TokenBucket(rate, burst)
        self._excess_since_s = -math.inf
        self._refused_at_s = -math.inf

    def limit_to(self, rate: float, burst: float) -> None:
        """Go on with the limits of another plan; what was spent stays spent."""
        self._bucket.limit_to(rate, burst)

    def judge(self, now_s: float) -> Verdict:
        """Count a request and return what to do about it."""
        if self._bucket.take(now_s):
            return Verdict.ALLOWED
        if now_s - self._refused_at_s > CALM_S:
            self._excess_since_s = now_s
        self._refused_at_s = now_s
        if now_s - self._excess_since_s >= MAX_EXCESS_S:
            return Verdict.CLOSE
        return Verdict.LIMITED


class MalformedCount:
    """Frames of one socket that were no requests; at most ``limit`` in 60 s, 0: any."""

    __slots__ = ("_limit", "_times_s")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # Made at the first one: most sockets send none, and there are thousands.
        self._times_s: deque[float] | None = None

    def exceeds(self, now_s: float) -> bool:
        """Count a frame and return True if that was one too many: close with 4502."""
        if not self._limit:
            return False
        if self._times_s is None:
            self._times_s = deque(maxlen=self._limit + 1)
        times_s = self._times_s
        times_s.append(now_s)
        is_full = len(times_s) > self._limit
        return is_full and now_s - times_s[0] <= MALFORMED_WINDOW_S
