"""How long to wait before the next attempt: exponential, capped, with full jitter."""

from brokers.exceptions import FeedLost, FeedRefused

# Doubling further would only overflow: 2**20 times any base is over any cap.
_MAX_DOUBLINGS = 20


class Backoff:
    """Counts failures in a row and turns them into delays in seconds.

    Full jitter: each delay is uniform between 0 and the exponential value, so that
    feeds which lost the same broker together do not come back together.
    """

    def __init__(self, min_s: float, max_s: float) -> None:
        self.min_s = min_s
        self.max_s = max_s
        self.failures = 0

    def next_delay_s(self, random: float) -> float:
        """Count a failure and return its delay; ``random`` is uniform in [0, 1)."""
        doublings = min(self.failures, _MAX_DOUBLINGS)
        self.failures += 1
        return random * min(self.max_s, self.min_s * 2**doublings)

    def refused_delay_s(self, random: float) -> float:
        """Count a refusal and return its delay, in the upper half below the cap."""
        self.failures += 1
        return (1 + random) / 2 * self.max_s

    def delay_after_s(self, lost: FeedLost, random: float) -> float:
        """Count a connection that was lost or refused; no less than the broker asks."""
        if isinstance(lost, FeedRefused):
            return max(self.refused_delay_s(random), lost.retry_after_s)
        return max(self.next_delay_s(random), lost.retry_after_s)

    def reset(self) -> None:
        """Forget the failures: a connection lasted long enough to be a success."""
        self.failures = 0
