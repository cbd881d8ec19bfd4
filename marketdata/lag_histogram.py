"""How late records were, counted in classes. Pure, and cheap enough for each batch."""

from bisect import bisect_left

# Upper bounds of the classes: what a trader calls at once, up to what he calls broken.
_BOUNDS_MS = (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)
BOUNDS_S = tuple(bound / 1e3 for bound in _BOUNDS_MS)
_BOUNDS_US = [int(bound * 1e3) for bound in _BOUNDS_MS]


class LagHistogram:
    """Counts of lags: ``counts`` per class, the last one for all above; their sum."""

    __slots__ = ("counts", "sum_us")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_us = 0

    def observe(self, lag_us: int, times: int = 1) -> None:
        """Count a lag; one below zero, of two clocks that differ, is none."""
        lag_us = max(lag_us, 0)
        self.counts[bisect_left(_BOUNDS_US, lag_us)] += times
        self.sum_us += lag_us * times
