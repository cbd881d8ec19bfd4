"""Rolling 24-hour figures of one instrument, of its 1m candles. Pure.

They are of its trades if it has any, else of its mids with volume 0. What a minute
traded in quote units is its volume at its typical price, (high + low + close) / 3: the
stored candles do not tell it exactly.
"""

from collections.abc import Iterable

from marketdata.candle_building import (
    RECORD_TYPES,
    Bucket,
    BucketRow,
    Numbered,
    Read,
    StoredBucket,
)
from marketdata.live_candle import KEPT, PERIOD_US
from marketdata.records import Record, Ticker
from marketdata.timeframes import PriceSide, Timeframe
from marketdata.topics import Topic

MINUTES = 1_440  # the one that is open included
_MINUTE_US = 60_000_000
_DAY_US = MINUTES * _MINUTE_US


class LiveTicker:
    """The ticker of one topic, published when it changes, at most once a second.

    Once the broker's own ticker arrives it is published no more.
    """

    def __init__(self, topic: Topic, now_us: int, *, is_simulated: bool) -> None:
        self.topic = topic
        self.record_types = (*(RECORD_TYPES[side] for side in _SIDES), Ticker)
        self._is_simulated = is_simulated
        self._is_foreign = False
        floor_us = Timeframe.M1.floor_us(now_us)
        self._rows = {
            side: BucketRow(Timeframe.M1, side, floor_us, kept=MINUTES)
            for side in _SIDES
        }
        self._past: tuple[int, _Figures | None] = 0, None  # of what minutes before
        self._published: Ticker | None = None
        self._looked_us = 0

    def add(self, record: Record, seq: int) -> None:
        """Count a record, of one of ``record_types``."""
        if type(record) is Ticker:
            self._is_foreign = True
            return
        for row in self._rows.values():
            if type(record) is RECORD_TYPES[row.price_side]:
                bucket = row.add(record, seq)
                if bucket is not None and bucket.start_us < self._past[0]:
                    self._past = 0, None

    def reads(self, now_us: int, *, is_whole: bool) -> list[Read]:
        """Return what ``load`` needs of the store: the whole day, or its end."""
        minutes = MINUTES if is_whole else KEPT
        from_us = Timeframe.M1.floor_us(now_us) - minutes * _MINUTE_US
        return [Read(Timeframe.M1, side, from_us) for side in _SIDES]

    def load(
        self,
        read: Read,
        stored: Iterable[StoredBucket],
        unstored: Iterable[Numbered],
    ) -> None:
        """Take over what the store has and what it has not."""
        self._rows[read.price_side].load(stored, unstored, read.from_us)
        self._past = 0, None

    def newest(self, now_us: int) -> Ticker | None:
        """Return the ticker of now, as published from now on; None without prices."""
        self._looked_us = now_us
        self._published = self._ticker(now_us)
        return self._published

    def due(self, now_us: int) -> list[Record]:
        """Return the ticker if it is to be published now."""
        if self._is_foreign or now_us - self._looked_us < PERIOD_US:
            return []
        self._looked_us = now_us
        ticker, before = self._ticker(now_us), self._published
        if ticker is None or (before and _figures(ticker) == _figures(before)):
            return []
        self._published = ticker
        return [ticker]

    def _ticker(self, now_us: int) -> Ticker | None:
        open_us = Timeframe.M1.floor_us(now_us)
        for row in self._rows.values():
            row.raise_floor(open_us + _MINUTE_US - _DAY_US)
        side = PriceSide.TRADE if self._rows[PriceSide.TRADE].buckets else PriceSide.MID
        buckets = self._rows[side].buckets
        if self._past[0] != open_us:
            past = [buckets[start] for start in sorted(buckets) if start < open_us]
            self._past = open_us, _join(None, past)
        now = sorted(start for start in buckets if start >= open_us)
        figures = _join(self._past[1], [buckets[start] for start in now])
        if figures is None:
            return None
        open_, high, low, last, volume, quote_volume = figures
        has_volume = side is PriceSide.TRADE
        return Ticker(
            broker=self.topic.broker,
            symbol=self.topic.symbol,
            time_us=now_us,
            received_us=now_us,
            simulated=self._is_simulated,
            last=last,
            open=open_,
            high=high,
            low=low,
            volume=volume if has_volume else 0.0,
            quote_volume=quote_volume if has_volume else 0.0,
        )


_SIDES = (PriceSide.TRADE, PriceSide.MID)
_Figures = tuple[float, float, float, float, float, float]


def _join(past: _Figures | None, buckets: Iterable[Bucket]) -> _Figures | None:
    """Return open, high, low, last, volume and quote volume of all, oldest first."""
    figures = past
    for item in buckets:
        traded = item.volume * (item.high + item.low + item.close) / 3
        if figures is None:
            figures = (
                item.open, item.high, item.low, item.close, item.volume, traded
            )  # fmt: skip
            continue
        open_, high, low, _, volume, quote_volume = figures
        figures = (
            open_,
            max(high, item.high),
            min(low, item.low),
            item.close,
            volume + item.volume,
            quote_volume + traded,
        )
    return figures


def _figures(ticker: Ticker) -> tuple[float, ...]:
    return ticker.last, ticker.open, ticker.high, ticker.low, ticker.volume
