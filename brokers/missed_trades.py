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

    A symbol's come page by page; an instant may go over two of them. Trades that are
    stored already are recognised there by their time and id.
    """
    last, place = ("", -1), 0

    def take(trades: Sequence[Trade]) -> None:
        nonlocal last, place
        for trade in trades:
            instant = trade.symbol, trade.time_us
            place = place + 1 if instant == last else 0
            last = instant
            store.append(trade, _EPOCH, place)

    return take
