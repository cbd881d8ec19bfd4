"""Where records are missing, from connections lost and back and records seen. Pure.

A topic's gap begins with its last record before the loss and ends with the first one
behind it. A topic that stays quiet has none: its gap ends when the connection was back.
While its market is closed nothing is missing: a gap over a weekend is two at most.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from brokers.feed import Key, UpstreamGap
from marketdata.catalog import InstrumentType
from marketdata.market_calendar import open_spans
from marketdata.records import KINDS, OrderBook, Record, Tick, Trade

# Subscriptions of a new connection are made by then, and their first records are here.
SETTLE_US = 10_000_000

# A loss is noticed late (FEED_SILENCE_S is 30), and brokers' clocks are not ours.
_SLACK_US = 120_000_000

NOT_RUNNING = "feed not running"
CONNECTION_LOST = "connection lost"

# Candles and tickers are made of these.
_WATCHED = (Tick, Trade, OrderBook)
_ALWAYS_OPEN = InstrumentType.CRYPTO


class _Open(NamedTuple):
    """The last record before a hole, why there is one, and since when, if known."""

    time_us: int
    trade_id: int | None
    reason: str
    lost_us: int | None


class GapFinder:
    """The gaps of one broker's feed, each told once.

    ``ends`` says until when other processes stored each topic before this one started,
    ``live_until_us`` until when the connection of one was live, None if unknown.
    ``market_of`` says which market's hours a symbol has.
    """

    def __init__(
        self, ends: Mapping[Key, int], live_until_us: int | None = None
    ) -> None:
        self.market_of: Callable[[str], InstrumentType] = lambda symbol: _ALWAYS_OPEN
        self._open = {
            key: _Open(time_us, None, NOT_RUNNING, live_until_us)
            for key, time_us in ends.items()
        }
        self._back_us: dict[Key, int] = {}

    @property
    def is_open(self) -> bool:
        """Return whether some topic has had no record since the connection was lost."""
        return bool(self._open)

    def lose(
        self,
        lasts: Iterable[Record],
        now_us: int,
        keys: Collection[Key] | None = None,
    ) -> None:
        """Note that the connection is lost, and the last record of each topic.

        ``keys`` are the topics that came over it, None for all.
        """
        for key in list(self._back_us) if keys is None else keys:
            self._back_us.pop(key, None)
        for record in lasts:
            if isinstance(record, _WATCHED):
                key = KINDS[type(record)], record.symbol
                trade_id = record.trade_id if isinstance(record, Trade) else None
                last = _Open(record.time_us, trade_id, CONNECTION_LOST, now_us)
                self._open.setdefault(key, last)

    def come_back(self, now_us: int, keys: Collection[Key] | None = None) -> None:
        """Note that the connection of these topics is back, None for all."""
        for key in self._open if keys is None else keys:
            if key in self._open:
                self._back_us.setdefault(key, now_us)

    def take(self, records: Sequence[Record]) -> list[UpstreamGap]:
        """Return the gaps that end with these records.

        None ends with a record that is no later than the last before the loss: brokers
        begin with their newest, so nothing came meanwhile. Nor with the trade that has
        the next number.
        """
        gaps: list[UpstreamGap] = []
        for record in records:
            key = KINDS[type(record)], record.symbol
            last = self._open.pop(key, None)
            if last is None:
                continue
            back_us = self._back_us.pop(key, None)
            if not _follows(record, last):
                gaps += self._gaps(key, last, record.time_us, back_us)
        return gaps

    def settle(self, now_us: int, followed: Set[str]) -> list[UpstreamGap]:
        """Return the gaps of quiet topics, once their connection is back long enough.

        Those of symbols that are not followed are forgotten.
        """
        settled = [
            (key, back_us)
            for key, back_us in self._back_us.items()
            if now_us - back_us >= SETTLE_US
        ]
        gaps: list[UpstreamGap] = []
        for key, back_us in settled:
            del self._back_us[key]
            last = self._open.pop(key)
            if key[1] in followed and last.time_us < back_us:
                gaps += self._gaps(key, last, back_us, back_us)
        return gaps

    def _gaps(
        self, key: Key, last: _Open, to_us: int, back_us: int | None
    ) -> list[UpstreamGap]:
        """Return the hole without closed hours; of each side of such, if it was cut."""
        kind, symbol = key
        whole = last.time_us, to_us
        spans = open_spans(self.market_of(symbol), *whole)
        if spans != [whole]:
            lost_us = last.time_us if last.lost_us is None else last.lost_us
            until_us = to_us if back_us is None else back_us
            spans = [
                (start_us, end_us)
                for start_us, end_us in spans
                if end_us + _SLACK_US >= lost_us and start_us - _SLACK_US <= until_us
            ]
        return [UpstreamGap(symbol, kind, *span, last.reason) for span in spans]


def _follows(record: Record, last: _Open) -> bool:
    if record.time_us <= last.time_us:
        return True
    if not isinstance(record, Trade) or None in (record.trade_id, last.trade_id):
        return False
    return record.trade_id == last.trade_id + 1  # type: ignore[operator]
