"""Where records are missing, from connections lost and back and records seen. Pure.

A topic's gap begins with its last record before the loss and ends with the first one
behind it. A topic that stays quiet has none: its gap ends when the connection was back.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from brokers.feed import UpstreamGap
from marketdata.records import KINDS, Kind, OrderBook, Record, Tick, Trade

# Subscriptions of a new connection are made by then, and their first records are here.
SETTLE_US = 10_000_000

NOT_RUNNING = "feed not running"
CONNECTION_LOST = "connection lost"

# Candles and tickers are made of these.
_WATCHED = (Tick, Trade, OrderBook)

Key = tuple[Kind, str]


class _Open(NamedTuple):
    """The last record before a hole, and why there is one."""

    time_us: int
    trade_id: int | None
    reason: str


class GapFinder:
    """The gaps of one broker's feed, each told once.

    ``ends`` says until when other processes stored each topic before this one started.
    """

    def __init__(self, ends: Mapping[Key, int]) -> None:
        self._open = {
            key: _Open(time_us, None, NOT_RUNNING) for key, time_us in ends.items()
        }
        self._back_us: int | None = None

    @property
    def is_open(self) -> bool:
        """Return whether some topic has had no record since the connection was lost."""
        return bool(self._open)

    def lose(self, lasts: Iterable[Record]) -> None:
        """Note that the connection is lost, and the last record of each topic."""
        self._back_us = None
        for record in lasts:
            if isinstance(record, _WATCHED):
                key = KINDS[type(record)], record.symbol
                trade_id = record.trade_id if isinstance(record, Trade) else None
                last = _Open(record.time_us, trade_id, CONNECTION_LOST)
                self._open.setdefault(key, last)

    def come_back(self, now_us: int) -> None:
        """Note that the connection is back."""
        self._back_us = now_us

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
            if last is not None and not _follows(record, last):
                gaps.append(_gap(key, last, record.time_us))
        return gaps

    def settle(self, now_us: int, followed: Set[str]) -> list[UpstreamGap]:
        """Return the gaps of quiet topics, once the connection is back for long enough.

        Those of symbols that are not followed are forgotten.
        """
        back_us = self._back_us
        if back_us is None or now_us - back_us < SETTLE_US:
            return []
        quiet, self._open = self._open, {}
        return [
            _gap(key, last, back_us)
            for key, last in quiet.items()
            if key[1] in followed and last.time_us < back_us
        ]


def _follows(record: Record, last: _Open) -> bool:
    if record.time_us <= last.time_us:
        return True
    if not isinstance(record, Trade) or None in (record.trade_id, last.trade_id):
        return False
    return record.trade_id == last.trade_id + 1  # type: ignore[operator]


def _gap(key: Key, last: _Open, to_us: int) -> UpstreamGap:
    kind, symbol = key
    return UpstreamGap(symbol, kind, last.time_us, to_us, last.reason)
