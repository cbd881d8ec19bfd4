"""Whether a feed's silence is a stall or a quiet market. Pure; times are given.

Frames are life. Pings that the broker sends or answers are, too, of a feed that is
quiet anyway: the connection works, and who follows three rare pairs hears nothing for
minutes. Not of one that was busy: its frames stopped, whatever else still answers.
"""

from collections import deque

# A feed is busy if it had frames throughout the window, with no longer pause than this
# part of it: the silence is four times as long as any pause before then.
_PAUSE_PART = 4


class Silence:
    """How long one connection has been silent, ``limit_s`` being too long.

    ``received`` and ``signs`` are the counts of frames and of other signs of life.
    """

    def __init__(self, limit_s: float, now_s: float, received: int, signs: int) -> None:
        self._limit_s = limit_s
        self._received = received
        self._signs = signs
        self._frame_s = self._sign_s = now_s
        self._frames_s: deque[float] = deque()  # looks that found some, in the window

    def look(self, now_s: float, received: int, signs: int) -> bool:
        """Take the counts as they are now; return whether frames came."""
        if signs != self._signs:
            self._signs, self._sign_s = signs, now_s
        if received == self._received:
            return False
        self._received, self._frame_s = received, now_s
        self._frames_s.append(now_s)
        while self._frames_s[0] < now_s - self._limit_s:
            self._frames_s.popleft()
        return True

    def excuse(self, now_s: float) -> None:
        """Begin anew: nothing could have come until now."""
        self._frame_s = now_s

    def is_too_long(self, now_s: float) -> bool:
        """Return whether it is a stall."""
        since_s = self._frame_s
        if not self._was_busy():
            since_s = max(since_s, self._sign_s)
        return now_s - since_s >= self._limit_s

    def _was_busy(self) -> bool:
        """Return whether frames came throughout the window before the silence."""
        pause_s, times = self._limit_s / _PAUSE_PART, list(self._frames_s)
        if not times or times[-1] - times[0] < self._limit_s - pause_s:
            return False
        return all(b - a <= pause_s for a, b in zip(times, times[1:], strict=False))
