"""OANDA's limits of an address, counted over all feeds of this process. Pure."""

from functools import lru_cache

from brokers.exceptions import InvalidFeedSetting
from brokers.oanda.access import Access


class StreamLimits:
    """How many streams may be open, and how fast new ones may be asked for."""

    def __init__(self, max_streams: int, connects_per_s: float) -> None:
        self.open = 0
        self._max_streams = max_streams
        self._interval_s = 1 / connects_per_s
        self._next_s = 0.0
        self._refused: dict[bytes, float] = {}  # by digest: no key outlives its feed

    @property
    def has_room(self) -> bool:
        """Return whether one more stream may be opened."""
        return self.open < self._max_streams

    def take(self) -> bool:
        """Count one more open stream; False, and nothing counted, if all are taken."""
        if not self.has_room:
            return False
        self.open += 1
        return True

    def give_back(self) -> None:
        """Count one stream less."""
        self.open -= 1

    def reserve_s(self, now_s: float) -> float:
        """Return the seconds to wait before the next request, which is counted."""
        start_s = max(now_s, self._next_s)
        self._next_s = start_s + self._interval_s
        return start_s - now_s

    def note_refused(self, access: Access, until_s: float, now_s: float) -> None:
        """Remember until when OANDA must not be asked with these credentials."""
        self._refused = {
            item: end_s for item, end_s in self._refused.items() if end_s > now_s
        }
        self._refused[access.digest()] = until_s

    def refused_for_s(self, access: Access, now_s: float) -> float:
        """Return for how long yet these credentials may not be tried again, else 0."""
        return max(0.0, self._refused.get(access.digest(), 0.0) - now_s)


@lru_cache
def shared_limits(max_streams: int, connects_per_s: float) -> StreamLimits:
    """Return the limits that all feeds with these settings count in.

    Raises:
        InvalidFeedSetting: they would let nothing through.
    """
    if max_streams < 1:
        raise InvalidFeedSetting("OANDA_MAX_STREAMS", "1 or more", max_streams)
    if connects_per_s <= 0:
        raise InvalidFeedSetting("OANDA_CONNECTS_PER_S", "over 0", connects_per_s)
    return StreamLimits(max_streams, connects_per_s)
