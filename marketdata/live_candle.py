"""When a candle is published: while it is open, at its end, and when it changes. Pure.

Times are microseconds UTC of the feed's clock, passed in.
"""

import math
from collections.abc import Iterable

from marketdata.candle_building import (
    RECORD_TYPES,
    Bucket,
    BucketRow,
    Numbered,
    Read,
    StoredBucket,
)
from marketdata.records import Candle, Record
from marketdata.topics import Topic

# Closed buckets that are kept, so that late records and repairs change them.
KEPT = 10
PERIOD_US = 1_000_000  # at most one update in this time (PROTOCOL 1.3)
# Sums of floats depend on the order in which they are made.
_VOLUME_TOLERANCE = 1e-9


class LiveCandle:
    """The candles of one topic.

    Buckets end ``grace_us`` after their last moment, for records that are late. One
    that is over is published once as final, and again with a higher ``rev`` whenever
    it changes after that. The next one waits for it.
    """

    def __init__(
        self, topic: Topic, now_us: int, *, grace_us: int, is_simulated: bool
    ) -> None:
        if topic.timeframe is None or topic.price_side is None:
            raise ValueError(f"expected a candle topic, found {topic}")
        self.topic = topic
        self.record_types = (RECORD_TYPES[topic.price_side],)
        self._timeframe = topic.timeframe
        self._length_us = topic.timeframe.length_s * 1_000_000
        self._grace_us = grace_us
        self._is_simulated = is_simulated
        self._open_us = topic.timeframe.floor_us(now_us)  # the bucket that is not over
        self._row = BucketRow(
            topic.timeframe, topic.price_side, self._open_us, kept=KEPT
        )
        self._published: dict[int, Candle] = {}  # by the bucket's start
        self._changed: set[int] = set()  # buckets that differ from that
        self._updated_us = 0

    def add(self, record: Record, seq: int) -> None:
        """Count a record, of one of ``record_types``."""
        bucket = self._row.add(record, seq)
        if bucket is not None:
            self._changed.add(bucket.start_us)

    def reads(self, now_us: int, *, is_whole: bool) -> list[Read]:
        """Return what ``load`` needs of the store."""
        row = self._row
        from_us = self._timeframe.floor_us(now_us - KEPT * self._length_us)
        return [Read(row.timeframe, row.price_side, min(from_us, self._open_us))]

    def load(
        self,
        read: Read,
        stored: Iterable[StoredBucket],
        unstored: Iterable[Numbered],
    ) -> None:
        """Begin anew with what the store has, and what it has not.

        What differs from what was published is published again. A bucket that is over
        and never was published is taken as known.
        """
        self._row.load(stored, unstored, read.from_us)
        self._changed = set()
        for start_us, bucket in self._row.buckets.items():
            before = self._published.get(start_us)
            if before is not None:
                if not _is_same(bucket, before):
                    self._changed.add(start_us)
            elif start_us < self._open_us:
                self._published[start_us] = self._candle(bucket, 0, None)
            else:
                self._changed.add(start_us)

    def newest(self, now_us: int) -> Candle | None:
        """Return the newest candle there is, as published from now on."""
        starts = [start for start in self._row.buckets if start <= self._open_us]
        return self._publish(self._row.buckets[max(starts)], now_us) if starts else None

    def due(self, now_us: int) -> list[Record]:
        """Return what is to be published now, oldest bucket first."""
        over = self._close(now_us)
        is_free = now_us - self._updated_us >= PERIOD_US
        if not over and not (is_free and self._changed):
            return []
        buckets = self._row.buckets
        return [
            self._publish(buckets[start_us], now_us)
            for start_us in sorted(self._changed | over)
            if start_us in buckets
            and (start_us in over or (is_free and start_us <= self._open_us))
        ]

    def _close(self, now_us: int) -> set[int]:
        """Note which buckets are over; return those that were not before."""
        if now_us < self._open_us + self._length_us + self._grace_us:
            return set()
        before_us, self._open_us = (
            self._open_us,
            self._timeframe.floor_us(now_us - self._grace_us),
        )
        self._row.raise_floor(self._open_us - KEPT * self._length_us)
        floor_us = self._row.floor_us
        self._changed = {start for start in self._changed if start >= floor_us}
        self._published = {
            start_us: candle
            for start_us, candle in self._published.items()
            if start_us >= floor_us
        }
        buckets = self._row.buckets
        return {start for start in buckets if before_us <= start < self._open_us}

    def _publish(self, bucket: Bucket, now_us: int) -> Candle:
        """Return the bucket's candle, and note it as published."""
        before = self._published.get(bucket.start_us)
        candle = self._candle(bucket, now_us, before)
        self._published[bucket.start_us] = candle
        self._changed.discard(bucket.start_us)
        self._updated_us = now_us
        return candle

    def _candle(self, bucket: Bucket, now_us: int, before: Candle | None) -> Candle:
        rev = bucket.rev
        if before is not None:
            is_corrected = before.is_final and not _is_same(bucket, before)
            rev = max(rev, before.rev + is_corrected)
        return Candle(
            broker=self.topic.broker,
            symbol=self.topic.symbol,
            time_us=bucket.start_us,
            received_us=now_us,
            simulated=self._is_simulated,
            timeframe=self._row.timeframe,
            price_side=self._row.price_side,
            open=bucket.open,
            high=bucket.high,
            low=bucket.low,
            close=bucket.close,
            volume=bucket.volume,
            ticks=bucket.ticks,
            is_final=bucket.start_us < self._open_us,
            rev=rev,
        )


def _is_same(bucket: Bucket, candle: Candle) -> bool:
    return (
        bucket.open == candle.open
        and bucket.high == candle.high
        and bucket.low == candle.low
        and bucket.close == candle.close
        and bucket.ticks == candle.ticks
        and math.isclose(bucket.volume, candle.volume, rel_tol=_VOLUME_TOLERANCE)
    )
