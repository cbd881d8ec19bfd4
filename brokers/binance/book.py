"""One symbol's book: whole ones from REST and the stream's changes in one order. Pure.

The procedure is Binance's: "How to manage a local order book correctly",
web-socket-streams.md of binance/binance-spot-api-docs, commit a5e0bc3d. Changes wait
until there is a whole book; those that it has already are dropped; the first that
remains must begin in or right behind it; each further one begins right behind the one
before it. Otherwise something was missed, and another whole book has to be fetched.
"""

from collections import deque

import msgspec

from marketdata.books import Book
from marketdata.records import OrderBook

# Changes that wait for a whole book: over three minutes at ten a second. If more come
# the oldest go, and what is left asks for a book that is as new.
MAX_WAITING = 2_000


class Hole(msgspec.Struct, frozen=True):
    """Updates ``first_id``..``last_id`` never came; times are those of the changes
    before and behind them, in microseconds UTC.
    """

    first_id: int
    last_id: int
    from_us: int
    to_us: int


class LocalBook:
    """Says what of a symbol's books and changes may be told, and when some is missing.

    Levels are not kept here: what is told leads to them (``marketdata.books.Book``).
    """

    __slots__ = ("_newest", "_waiting")

    def __init__(self) -> None:
        self._newest: OrderBook | None = None  # told last; None: a whole book is due
        self._waiting: deque[OrderBook] = deque(maxlen=MAX_WAITING)

    @property
    def is_due(self) -> bool:
        """True if a whole book has to be fetched."""
        return self._newest is None

    def take(self, change: OrderBook) -> OrderBook | Hole | None:
        """Take the stream's next change; return it, if it may be told.

        None if it waits or is in the book already. After a hole a whole book is due.
        """
        newest = self._newest
        if newest is None:
            self._waiting.append(change)
            return None
        first_id, last_id = _ids(change)
        known_id = _ids(newest)[1]
        if last_id <= known_id:
            return None
        if first_id > known_id + 1:
            self._newest = None
            self._waiting.append(change)
            return Hole(known_id + 1, first_id - 1, newest.time_us, change.time_us)
        self._newest = change
        return change

    def start(self, whole: OrderBook) -> OrderBook | None:
        """Take a whole book that was fetched; return it with what waited for it.

        None if it does not reach up to what waits: it has to be fetched anew.
        """
        book = Book()
        book.apply(whole)
        known_id = _ids(whole)[1]
        while self._waiting and _ids(self._waiting[0])[1] <= known_id:
            self._waiting.popleft()
        for change in self._waiting:
            first_id, last_id = _ids(change)
            if first_id > known_id + 1:
                return None
            if last_id > known_id:
                book.apply(change)
                known_id = last_id
        self._waiting.clear()
        self._newest = book.whole()
        return self._newest


def _ids(record: OrderBook) -> tuple[int, int]:
    """Return the update numbers that the record covers, as one number if it has one."""
    last_id = record.last_id or 0
    return (last_id if record.first_id is None else record.first_id), last_id
