"""What came of every tick that the chaos' upstream sent. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class Found(NamedTuple):
    """A tick as it was stored or published; ``tick`` is its count in the symbol."""

    symbol: str
    epoch: int
    number: int
    tick: int


class Account(NamedTuple):
    """Ticks by what became of them; all below ``cut_off`` must be 0.

    ``cut_off`` were sent at the end of a connection, into a dead socket or to a killed
    process, and read by nobody.
    """

    sent: int
    published: int
    stored: int
    cut_off: int
    stored_twice: int
    holes: int  # in a connection, with stored ticks behind them
    strangers: int  # stored, never sent
    published_only: int  # published and not stored as they were published
    number_holes: int  # numbers of a symbol and epoch that are missing in the store

    @property
    def is_clean(self) -> bool:
        """Whether every tick that was read is stored exactly once."""
        return not any(self[4:])


def account(
    connections: Sequence[Mapping[str, tuple[int, int]]],
    stored: Sequence[Found],
    published: Iterable[Found],
) -> Account:
    """Return the account.

    Args:
        connections: of each, the first and last tick sent by symbol.
        stored: all rows.
        published: what a subscriber received.
    """
    counts = Counter((item.symbol, item.tick) for item in stored)
    sent = holes = cut_off = within = 0
    for connection in connections:
        for symbol, (first, last) in connection.items():
            ticks = [n for n in range(first, last + 1) if (symbol, n) in counts]
            sent += last - first + 1
            within += len(ticks)
            end = max(ticks, default=first - 1)
            cut_off += last - end
            holes += end - first + 1 - len(ticks)
    heard = set(published)
    numbers = defaultdict(set)
    for item in stored:
        numbers[item.symbol, item.epoch].add(item.number)
    return Account(
        sent=sent,
        published=len(heard),
        stored=len(stored),
        cut_off=cut_off,
        stored_twice=len(stored) - len(counts),
        holes=holes,
        strangers=len(counts) - within,
        published_only=len(heard - set(stored)),
        number_holes=sum(max(each) - len(each) for each in numbers.values()),
    )
