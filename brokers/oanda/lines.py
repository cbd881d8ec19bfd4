"""What becomes of the lines of a feed's streams: ticks that are new, and counts."""

import time
from collections.abc import Callable

import structlog

from brokers.exceptions import MalformedFrame
from brokers.feed import Emit, FeedCounters
from brokers.oanda.messages import (
    BROKER,
    Heartbeat,
    Ignored,
    IgnoredReason,
    parse_line,
)
from brokers.oanda.seen import Seen
from marketdata.records import Tick

log = structlog.get_logger(__name__)


class Lines:
    """Reads the lines of all streams of a feed; ``symbols`` may be replaced.

    ``on_repeated`` is called with what came before and is not emitted again.
    """

    def __init__(self) -> None:
        self.counters = FeedCounters()
        self.symbols: dict[str, str] = {}
        self.seen = Seen()
        self.on_repeated: Callable[[Tick], None] = lambda tick: None

    def reader(self, emit: Emit) -> Callable[[bytes], None]:
        """Return what a stream hands its lines to."""

        def take(line: bytes) -> None:
            self.counters.received += 1
            try:
                parsed = parse_line(line, time.time_ns() // 1_000, self.symbols)
            except MalformedFrame as exc:
                if not self.counters.malformed:
                    log.warning("first malformed line", broker=BROKER, error=str(exc))
                self.counters.malformed += 1
                return
            if isinstance(parsed, Tick):
                # Streams overlap, and each begins with the last price of all.
                if self.seen.is_new(parsed):
                    emit((parsed,))
                else:
                    self.counters.repeated += 1
                    self.on_repeated(parsed)
            elif not isinstance(parsed, Heartbeat):
                self._count(parsed)

        return take

    def _count(self, ignored: Ignored) -> None:
        if ignored.reason is IgnoredReason.UNKNOWN_SYMBOL:
            self.counters.unknown_symbols += 1
        elif ignored.reason is IgnoredReason.UNKNOWN_EVENT:
            self.counters.unknown_events += 1
        else:
            self.counters.no_quotes += 1
