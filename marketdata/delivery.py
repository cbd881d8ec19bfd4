"""When topics' records go out: what came in a turn of the loop, at its end.

There is no timer: under light load a record leaves at once, under heavy load more of
them come per turn and leave together.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from marketdata.lag import leave_out
from marketdata.lag_histogram import LagHistogram
from marketdata.line import Line

# Of work on deliveries before sockets are read and Redis is heard again.
MAX_TURN_S = 0.02

log = structlog.get_logger(__name__)


class Delivery:
    """Sends what lines have pending; ``delivered`` counts frames times sinks.

    ``lag`` is from the arrival of each flush's oldest record at its feed to here.

    ``defer`` calls back once all is read that has come; see `GroupLayer`.
    """

    def __init__(self, defer: Callable[[Callable[[], None]], None]) -> None:
        self.delivered = 0
        self._defer = defer
        self.left_out = 0
        self.lag = LagHistogram()
        self._dirty: dict[Line, None] = {}
        self._behind: set[str] = set()

    def set_behind(self, source: str, is_behind: bool) -> bool:
        """Leave out what is superfluous of a feed's topics; True if that is new."""
        if is_behind == (source in self._behind):
            return False
        (self._behind.add if is_behind else self._behind.discard)(source)
        return True

    def schedule(self, line: Line) -> None:
        """Flush the line at the end of this turn of the loop."""
        if not self._dirty:
            self._defer(self._flush_all)
        self._dirty[line] = None

    def flush(self, line: Line) -> None:
        """Send what is pending now."""
        self._dirty.pop(line, None)
        if line.pending:
            if line.topic.source in self._behind:
                self.left_out += leave_out(line)
            oldest_us, count = line.pending[0].received_us, len(line.pending)
            try:
                self.delivered += line.deliver()
            except Exception:  # a defect in one topic must not stop the others
                log.exception("records could not be delivered", group=line.group)
            self.lag.observe(time.time_ns() // 1_000 - oldest_us, count)

    def _flush_all(self) -> None:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + MAX_TURN_S
        while self._dirty:
            self.flush(next(iter(self._dirty)))
            if loop.time() > end_s and self._dirty:
                loop.call_soon(self._flush_all)
                return
