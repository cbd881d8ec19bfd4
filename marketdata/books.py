"""An order book, kept whole while only its changes come. Pure."""

from typing import cast

import msgspec

from marketdata.records import OrderBook

# Levels per side of a book that is told as a whole: as many as Binance ever answers.
MAX_LEVELS = 5_000


class Book:
    """What the order book records of one broker and symbol come to.

    Unknown until the first whole one; changes before that are nothing.
    """

    __slots__ = ("_asks", "_bids", "_newest", "_whole")

    def __init__(self) -> None:
        self._whole: OrderBook | None = None  # None too if it is to be made
        self._newest: OrderBook | None = None  # None while the book is unknown
        self._bids: dict[float, float] | None = None  # None while it is all in _whole
        self._asks: dict[float, float] = {}

    @property
    def is_known(self) -> bool:
        """True once there was a whole book."""
        return self._newest is not None

    def apply(self, record: OrderBook) -> None:
        """Take the next record: a whole book, or the levels that changed."""
        if record.is_snapshot:
            self._whole = self._newest = record
            self._bids = None
        elif self._newest is not None:
            if self._bids is None:
                # Whole books alone never get here, and cost next to nothing.
                base = cast(OrderBook, self._whole)
                self._bids, self._asks = dict(base.bids), dict(base.asks)
            _change(self._bids, record.bids)
            _change(self._asks, record.asks)
            self._whole, self._newest = None, record

    def forget(self) -> None:
        """Know nothing until the next whole book: a change was missed."""
        self._whole = self._newest = self._bids = None
        self._asks = {}

    def whole(self) -> OrderBook | None:
        """Return the book as one record, with the newest times; None while unknown."""
        if self._whole is None and self._newest is not None and self._bids is not None:
            bids = sorted(self._bids.items(), reverse=True)[:MAX_LEVELS]
            asks = sorted(self._asks.items())[:MAX_LEVELS]
            self._whole = msgspec.structs.replace(
                self._newest,
                bids=tuple(bids),
                asks=tuple(asks),
                is_snapshot=True,
                first_id=None,
            )
        return self._whole


def _change(side: dict[float, float], levels: tuple[tuple[float, float], ...]) -> None:
    for price, size in levels:
        if size:
            side[price] = size
        else:
            side.pop(price, None)
