"""How far behind its feeds a hub is, and what it leaves out until it has caught up.

Beats come through the same connection as records, so what delays them delays both.
"""

from collections import deque

from marketdata.codes import StatusCode
from marketdata.encodings import Notice
from marketdata.line import Line
from marketdata.records import Kind

MAX_LAG_US = 1_000_000  # of the newest record
# The two clocks have no common zero: the quickest of so many beats came without a
# delay. A clock that is set, or stood still, is forgiven after this time.
_BEATS = 120

# Of these each record makes those before it superfluous; nothing else is left out.
_NEWEST_IS_ENOUGH = (Kind.TICK, Kind.TICKER)


class Lag:
    """The delays of feeds' beats; times are microseconds of clocks that go forward."""

    def __init__(self) -> None:
        self._delays: dict[str, tuple[int, deque[int]]] = {}

    def is_behind(self, source: str, epoch: int, sent_us: int, now_us: int) -> bool:
        """Note a feed's beat; return True if it came more than ``MAX_LAG_US`` late."""
        known_epoch, delays = self._delays.get(source, (0, None))
        if delays is None or known_epoch != epoch:
            delays = deque(maxlen=_BEATS)
            self._delays[source] = epoch, delays
        delays.append(now_us - sent_us)
        return delays[-1] - min(delays) > MAX_LAG_US

    def forget(self, source: str) -> None:
        """Forget the beats of a feed."""
        self._delays.pop(source, None)


def leave_out(line: Line) -> int:
    """Leave the newest record of those that are pending; return how many are dropped.

    Followers are told of the gap, and find the records in the store.
    """
    pending = line.pending
    dropped = len(pending) - 1
    if line.topic.kind not in _NEWEST_IS_ENOUGH or dropped < 1:
        return 0
    first, newest = pending[0], pending[-1]
    line.announce(
        Notice(
            StatusCode.GAP,
            line.topic,
            f"{dropped} records were left out because the server was behind",
            from_us=first.time_us,
            to_us=newest.time_us,
        )
    )
    del pending[:-1]
    return dropped
