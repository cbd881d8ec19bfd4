"""Tells ticks that came before: on another stream, or before a reconnect. Pure."""

from collections import deque

from marketdata.records import Tick

# OANDA sends at most 4 prices a second of an instrument, so this is over 8 s of two
# streams, and they run side by side for about one.
KEPT = 64

_Content = tuple[int, float, float, float | None, float | None]


class Seen:
    """What was seen last of each symbol."""

    def __init__(self) -> None:
        self._last: dict[str, deque[_Content]] = {}
        self._newest_us: dict[str, int] = {}

    def is_new(self, tick: Tick) -> bool:
        """Note the tick; False if one of equal time and content was noted before."""
        content = tick.time_us, tick.bid, tick.ask, tick.bid_size, tick.ask_size
        last = self._last.get(tick.symbol)
        if last is None:
            last = self._last[tick.symbol] = deque(maxlen=KEPT)
        newest_us = self._newest_us.get(tick.symbol, 0)
        if tick.time_us <= newest_us:
            if content in last:
                return False
        else:
            self._newest_us[tick.symbol] = tick.time_us
        last.append(content)
        return True

    def newest_us(self, symbol: str) -> int | None:
        """Return the latest time that was noted of the symbol."""
        return self._newest_us.get(symbol)
