"""Trades that a feed missed and fetched later, on their way into the store. Pure."""

from collections.abc import Callable, Sequence
from typing import Protocol

from marketdata.records import Trade

# Of what was not published live; the number is then the place inside the instant.
_EPOCH = 0


class TradeStore(Protocol):
    """What is needed of the recorder."""

    def append(self, record: Trade, epoch: int, number: int) -> None:
        """Take a record for storing; never blocks."""


def store_missed(store: TradeStore) -> Callable[[Sequence[Trade]], None]:
    """Return what stores missed trades, ascending ones, without publishing them.

    Trades that are stored already are recognised there by their time and id.
    """

    def take(trades: Sequence[Trade]) -> None:
        time_us, place = -1, 0
        for trade in trades:
            place = place + 1 if trade.time_us == time_us else 0
            time_us = trade.time_us
            store.append(trade, _EPOCH, place)

    return take
