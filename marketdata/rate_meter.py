"""How fast counts rise: over the last seconds, of samples taken now and then. Pure."""

from collections import deque

WINDOW_S = 10.0


class RateMeter:
    """The rates of some counts; ``sample`` all of them, in the same order each time."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._samples: deque[tuple[float, tuple[int, ...]]] = deque()

    def sample(self, now_s: float, *counts: int) -> None:
        """Note the counts; samples older than the window are forgotten but for one."""
        samples = self._samples
        samples.append((now_s, counts))
        while len(samples) > 2 and samples[1][0] <= now_s - self._window_s:
            samples.popleft()

    def per_s(self, index: int = 0) -> float:
        """Return the rise per second of a count; 0 before the second sample."""
        if len(self._samples) < 2:
            return 0.0
        (first_s, first), (last_s, last) = self._samples[0], self._samples[-1]
        elapsed_s = last_s - first_s
        return (last[index] - first[index]) / elapsed_s if elapsed_s > 0 else 0.0
