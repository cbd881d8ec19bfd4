"""Politeness: how many requests at a time, and how many a second, a process makes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class TokenBucket:
    """Says when the next request may go; knows no clock of its own.

    ``burst`` requests may go at once after a pause, then ``per_s`` a second.
    """

    def __init__(self, per_s: float, burst: int) -> None:
        self._interval_s = 1 / per_s
        self._burst_s = (burst - 1) * self._interval_s
        self._next_s = float("-inf")

    def reserve(self, now_s: float, *, longest_s: float) -> float | None:
        """Take the next turn and return the seconds until it.

        None, and nothing is taken, if that were more than ``longest_s``.
        """
        turn_s = max(self._next_s, now_s - self._burst_s)
        wait_s = max(0.0, turn_s - now_s)
        if wait_s > longest_s:
            return None
        self._next_s = turn_s + self._interval_s
        return wait_s

    def pause(self, now_s: float, seconds: float) -> None:
        """Let no turn begin before ``seconds`` from now."""
        self._next_s = max(self._next_s, now_s + seconds)


class Pacer:
    """Shared by all threads, and all sources, of a process."""

    def __init__(self, per_s: float, concurrency: int) -> None:
        self._bucket = TokenBucket(per_s, burst=concurrency)
        self._lock = threading.Lock()
        self._places = threading.Semaphore(concurrency)

    @contextmanager
    def turn(
        self, sleep: Callable[[float], bool], *, longest_s: float
    ) -> Iterator[bool]:
        """Wait for a turn and hold it inside the block; False if there is none to have.

        ``sleep`` returns whether it is still worth going on.
        """
        end_s = time.monotonic() + longest_s
        if not self._places.acquire(timeout=max(0.0, longest_s)):
            yield False
            return
        try:
            now_s = time.monotonic()
            with self._lock:
                wait_s = self._bucket.reserve(now_s, longest_s=end_s - now_s)
            yield wait_s is not None and (wait_s == 0 or sleep(wait_s))
        finally:
            self._places.release()

    def pause(self, seconds: float) -> None:
        """Let no request of the process begin before ``seconds`` from now."""
        with self._lock:
            self._bucket.pause(time.monotonic(), seconds)
