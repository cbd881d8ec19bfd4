"""Candles as their records come in, computed as history computes stored ones. Pure.

Open and close are the records with the smallest and largest (time, seq) of a bucket,
whatever the order in which they arrive. What the store has of a bucket is loaded, and
records that it does not have are added to it.
"""

from collections.abc import Callable, Iterable

import msgspec

from marketdata.records import Record, Tick, Trade
from marketdata.timeframes import PriceSide, Timeframe

# Buckets ahead of the clock that one topic may have: a venue whose clock is ahead, at
# the end of a bucket, fills one. More is nonsense that must not grow.
MAX_AHEAD = 3

Key = tuple[int, int]  # time_us, seq: the order of a series' records
Numbered = tuple[Record, int]  # record, seq


class StoredBucket(msgspec.Struct, frozen=True, gc=False):
    """A bucket as the store has it; ``first`` and ``last`` are of its records."""

    start_us: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    ticks: int
    rev: int
    first: Key
    last: Key


class Bucket:
    """The figures of one bucket so far; ``rev`` is the stored row's."""

    __slots__ = (
        "close",
        "first",
        "high",
        "last",
        "low",
        "open",
        "rev",
        "start_us",
        "ticks",
        "volume",
    )

    def __init__(self, start_us: int) -> None:
        self.start_us = start_us
        self.open = self.high = self.low = self.close = 0.0
        self.volume = 0.0
        self.ticks = 0
        self.rev = 0
        self.first: Key = (0, 0)
        self.last: Key = (0, 0)

    def load(self, stored: StoredBucket) -> None:
        """Take over what the store has."""
        self.open, self.close = stored.open, stored.close
        self.high, self.low = stored.high, stored.low
        self.volume, self.ticks = stored.volume, stored.ticks
        self.first, self.last = stored.first, stored.last
        self.rev = stored.rev

    def add(self, price: float, size: float, key: Key) -> None:
        """Count a record that is not counted yet."""
        if not self.ticks:
            self.open = self.high = self.low = self.close = price
            self.first = self.last = key
        else:
            if key < self.first:
                self.open, self.first = price, key
            if key > self.last:
                self.close, self.last = price, key
            if price > self.high:
                self.high = price
            if price < self.low:
                self.low = price
        self.volume += size
        self.ticks += 1


class Read(msgspec.Struct, frozen=True):
    """What is to be read of the store: buckets that start at ``from_us`` or later."""

    timeframe: Timeframe
    price_side: PriceSide
    from_us: int


class BucketRow:
    """The buckets of one (timeframe, price side), from ``floor_us`` on.

    Records before that are ignored: what else their bucket holds is not known.
    ``kept`` is how many buckets before the open one there may be.
    """

    def __init__(
        self, timeframe: Timeframe, price_side: PriceSide, floor_us: int, *, kept: int
    ) -> None:
        self.floor_us = floor_us
        self.buckets: dict[int, Bucket] = {}
        self.timeframe = timeframe
        self.price_side = price_side
        self._most = kept + 1 + MAX_AHEAD
        self._figures = FIGURES[price_side]

    def add(self, record: Record, seq: int) -> Bucket | None:
        """Count a record of the side's kind; return its bucket, None if ignored."""
        start_us = self.timeframe.floor_us(record.time_us)
        bucket = self.buckets.get(start_us)
        if bucket is None:
            if start_us < self.floor_us:
                return None
            bucket = self.buckets[start_us] = Bucket(start_us)
            if len(self.buckets) > self._most:
                del self.buckets[max(self.buckets)]
        price, size = self._figures(record)
        bucket.add(price, size or 0.0, (record.time_us, seq))
        return bucket

    def load(
        self,
        stored: Iterable[StoredBucket],
        unstored: Iterable[Numbered],
        from_us: int,
    ) -> None:
        """Begin anew from ``from_us`` on: with what the store has, and what it has not.

        Buckets of which neither has a record are gone.
        """
        self.floor_us = min(self.floor_us, from_us)
        self._drop(lambda start_us: start_us >= from_us)
        for item in stored:
            bucket = self.buckets[item.start_us] = Bucket(item.start_us)
            bucket.load(item)
        for record, seq in unstored:
            if record.time_us >= from_us:
                self.add(record, seq)

    def raise_floor(self, floor_us: int) -> None:
        """Forget buckets before ``floor_us``, and ignore their records from now on."""
        if floor_us > self.floor_us:
            self.floor_us = floor_us
            self._drop(lambda start_us: start_us < floor_us)

    def _drop(self, is_dropped: Callable[[int], bool]) -> None:
        self.buckets = {
            start_us: bucket
            for start_us, bucket in self.buckets.items()
            if not is_dropped(start_us)
        }


def _mid(tick: Tick) -> tuple[float, float | None]:
    return (tick.bid + tick.ask) / 2, tick.bid_size


def _bid(tick: Tick) -> tuple[float, float | None]:
    return tick.bid, tick.bid_size


def _ask(tick: Tick) -> tuple[float, float | None]:
    return tick.ask, tick.ask_size


def _trade(trade: Trade) -> tuple[float, float | None]:
    return trade.price, trade.size


# A mid's volume is its bid size (`history.models.Candle`).
FIGURES: dict[PriceSide, Callable[..., tuple[float, float | None]]] = {
    PriceSide.MID: _mid,
    PriceSide.BID: _bid,
    PriceSide.ASK: _ask,
    PriceSide.TRADE: _trade,
}
RECORD_TYPES: dict[PriceSide, type] = {
    PriceSide.MID: Tick,
    PriceSide.BID: Tick,
    PriceSide.ASK: Tick,
    PriceSide.TRADE: Trade,
}
