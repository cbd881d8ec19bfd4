"""What an import is to do, and whom it tells how it goes on."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from importer.hours import HourRange
from importer.instruments import ArchiveInstrument
from importer.models import ImportHour
from importer.outcomes import ImportReport
from importer.sources.base import Source

# Two writers keep two cores of the database busy while Python decodes (measured,
# docs/importing.md); more of them only wait for each other there.
WORKERS = 2
CHUNK_DAYS = 7

# (series id, chunk, what the ledger knows of it) -> the ledger to go by, hours to read
Pick = Callable[
    [int, HourRange, Mapping[int, ImportHour]],
    tuple[Mapping[int, ImportHour], Collection[int]],
]


class Progress(Protocol):
    """Is told how an import goes on."""

    def begin(self, symbol: str, hours: int) -> None:
        """A series begins; ``hours`` are in its range."""

    def wait(self, symbol: str) -> None:
        """Another import has the series; this one waits for its end."""

    def advance(self, symbol: str, day: HourRange, part: ImportReport) -> None:
        """A day is committed."""

    def complete(self, symbol: str, chunk: HourRange) -> None:
        """A chunk is committed, and its refresh under way."""


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """What to import, from where, and how.

    ``hours`` None is what is stored of each series, from its first day to its last.
    ``is_forced`` reads hours again that are stored; ``fills_gaps`` those, too, that
    were asked for often enough. ``has_refresh`` False leaves the candles to the next
    refresh. ``chunk_days`` are refreshed at a time. ``workers`` connections write; with
    1, for a day, and within a transaction everything happens in the caller's.
    ``replaces_live`` lets the archive's ticks take the place of live ones.
    ``manages_indexes`` drops the configured indexes of ticks first, and makes them
    again at the end. ``pick`` chooses the hours to read instead of those that their
    state asks for (a repair).
    """

    instruments: Sequence[ArchiveInstrument]
    hours: HourRange | None
    source: Source
    is_forced: bool = False
    has_refresh: bool = True
    fills_gaps: bool = False
    chunk_days: int = CHUNK_DAYS
    workers: int = WORKERS
    replaces_live: bool = False
    manages_indexes: bool = False
    pick: Pick | None = None
