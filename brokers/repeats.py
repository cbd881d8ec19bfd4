"""Ticks that a broker sends once more when it is connected anew. Pure.

They have no number by which a repeated one could be told. OANDA begins a stream with
the last price of each instrument, with its time; Kraken with its last ticker, without.
"""

from collections.abc import Iterable, Sequence

from marketdata.records import Record, Tick

# Streams begin by then; a tick that comes later is one.
_WINDOW_US = 10_000_000

_Quote = tuple[float, float, float | None, float | None]


class Repeats:
    """Tells the first tick of a symbol behind a pause that repeats the one before."""

    def __init__(self) -> None:
        self._lasts: dict[str, tuple[int, _Quote]] = {}
        self._begun_us: int | None = None

    @property
    def is_expecting(self) -> bool:
        """Return whether ``without`` may leave something out."""
        return bool(self._lasts)

    def expect(self, lasts: Iterable[Record]) -> None:
        """Take these for what the broker sent last; there is no connection now."""
        self._begun_us = None
        for record in lasts:
            if isinstance(record, Tick):
                self._lasts.setdefault(record.symbol, (record.time_us, _quote(record)))

    def begin(self, now_us: int) -> None:
        """Note that there is a connection: what is repeated comes now."""
        if self._begun_us is None:
            self._begun_us = now_us

    def without(self, records: Sequence[Record]) -> list[Record]:
        """Return the records but those that are repeated."""
        return [item for item in records if not self._is_repeated(item)]

    def _is_repeated(self, record: Record) -> bool:
        if not isinstance(record, Tick):
            return False
        if self._begun_us is not None and (
            record.received_us > self._begun_us + _WINDOW_US
        ):
            self._lasts.clear()
        last = self._lasts.pop(record.symbol, None)
        if last is None:
            return False
        has_no_time = record.time_us == record.received_us
        return (has_no_time or record.time_us == last[0]) and _quote(record) == last[1]


def _quote(tick: Tick) -> _Quote:
    return tick.bid, tick.ask, tick.bid_size, tick.ask_size
