"""What the importer wants from a source of hourly files."""

from dataclasses import dataclass
from typing import Protocol

from importer.hour_ticks import HourTicks


@dataclass(frozen=True, slots=True)
class HourFile:
    """A file as it came; ``name`` is what people find it by (a path, an address)."""

    name: str
    data: bytes


class Source(Protocol):
    """Gives the ticks of one hour at a time; used from ``threads`` threads at once.

    ``symbol`` is the archive's spelling, ``spec`` the text that opens the source.
    ``threads`` is how many hours are worth fetching at a time: as many as there are
    cores for what is on disk, more for what is waited for. ``is_local`` says that
    asking is free: then hours of a closed market are asked for, too.
    """

    spec: str
    threads: int
    is_local: bool

    def fetch(self, symbol: str, hour_us: int) -> HourFile | None:
        """Return the file of the hour, None if the source has no such file.

        Raises:
            UnreadableFile: it is there and cannot be had.
        """

    def decode(self, file: HourFile, hour_us: int, *, price_scale: int) -> HourTicks:
        """Return the ticks in a file that `fetch` gave for the hour.

        Raises:
            DamagedFile: naming what was expected and found.
        """

    def close(self) -> None:
        """Make fetches that wait fail soon: the import is given up."""
