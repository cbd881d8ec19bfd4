"""What the live side needs of the store: history implements it, wiring hands it over.

Rows are in the order of their key (series, time, seq). ``seq`` is the packed position
of a record (`numbering.pack`); below ``FIRST_LIVE`` are rows that were imported.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from marketdata.effects import Position
from marketdata.numbering import pack
from marketdata.records import Candle, Record
from marketdata.topics import Topic

FIRST_LIVE = pack(1, 0)


class Place(NamedTuple):
    """The key of a row within its series."""

    time_us: int
    seq: int


class Stored(NamedTuple):
    """A stored record and its ``seq``."""

    record: Record
    seq: int

    @property
    def place(self) -> Place:
        """Its key."""
        return Place(self.record.time_us, self.seq)


class Span(NamedTuple):
    """The times of a series' first and last row, both inclusive."""

    start_us: int
    end_us: int


class Wanted(msgspec.Struct, frozen=True):
    """Rows with times from ``start_us`` to ``end_us``, both inclusive, and of those:

    live ones with ``above < seq <= upto``, imported ones from ``imported_us`` on. At
    most ``limit``, those after the key ``after``.
    """

    start_us: int
    end_us: int
    above: int
    upto: int
    imported_us: int
    limit: int
    after: Place | None = None


class StoredRecords(Protocol):
    """Reads stored records; each method raises HistoryUnavailable.

    Topics are of ticks, trades or candles.
    """

    async def span(self, topic: Topic) -> Span | None:
        """Return where the topic's series lies, None if nothing of it is stored."""

    async def find(
        self, topic: Topic, position: Position, within: Span, *, near_us: int | None
    ) -> Place | None:
        """Return the row of a position, or the last one before it in its epoch.

        Its time is that of its receipt if that was earlier. ``near_us`` is where the
        client says that it was, to the millisecond. None if no row of the epoch up to
        the position lies within the span.
        """

    async def newest(self, topic: Topic, upto: int) -> Stored | None:
        """Return the record with the highest ``seq`` up to one, None if there is none.

        Among the last thousand by time.
        """

    async def page(self, topic: Topic, wanted: Wanted) -> Sequence[Stored]:
        """Return ticks or trades in the order of their key."""

    async def candles(
        self, topic: Topic, start_us: int, end_us: int, *, limit: int
    ) -> Sequence[Candle]:
        """Return the first candles whose buckets start in a range, inclusive.

        Those that have ended are final.
        """
