"""Timeframes, their lengths, and which of them are stored or derived from which."""

from enum import Enum


class PriceSide(Enum):
    """What price a candle is made of; ``MID`` is (bid + ask) / 2."""

    MID = "mid"
    BID = "bid"
    ASK = "ask"
    TRADE = "trade"


class Timeframe(Enum):
    """A candle's length; values are the names used on every interface."""

    S1 = "1s"
    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H4 = "4h"
    H12 = "12h"
    D1 = "1d"
    W1 = "1w"

    @property
    def length_s(self) -> int:
        """Length of one bucket in seconds."""
        return _LENGTHS_S[self]

    def floor_us(self, time_us: int) -> int:
        """Return the start of the bucket that holds ``time_us`` (microseconds UTC).

        Up to 12h buckets count from the epoch; a week starts on Monday.
        """
        length_us = self.length_s * 1_000_000
        offset_us = _MONDAY_US if self is Timeframe.W1 else 0
        return time_us - (time_us - offset_us) % length_us


# Server A's set (COMPAT A-RE-03): each is built from its left neighbour, 1m from ticks.
STORED = (
    Timeframe.M1,
    Timeframe.M5,
    Timeframe.M15,
    Timeframe.H1,
    Timeframe.H4,
    Timeframe.H12,
)

_LENGTHS_S = {
    Timeframe.S1: 1,
    Timeframe.M1: 60,
    Timeframe.M5: 300,
    Timeframe.M15: 900,
    Timeframe.M30: 1_800,
    Timeframe.H1: 3_600,
    Timeframe.H4: 14_400,
    Timeframe.H12: 43_200,
    Timeframe.D1: 86_400,
    Timeframe.W1: 604_800,
}
_MONDAY_US = 4 * 86_400 * 1_000_000  # 1970-01-05, the first Monday after the epoch
