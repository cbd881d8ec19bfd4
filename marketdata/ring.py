"""What a topic delivered lately, for clients that come back after a short absence."""

from collections import deque
from collections.abc import Sequence

from marketdata.effects import Position
from marketdata.encodings import Encoding
from marketdata.records import Record
from marketdata.wire import Batch

MAX_AGE_S = 10.0
MAX_BYTES = 4 * 1024 * 1024
_RECORD_BYTES = 300  # about what a record occupies in memory


class Stretch:
    """Consecutive records of one epoch that were delivered together.

    ``records[i]`` has the number ``first + i``. ``batches`` has their frames in the
    encodings that somebody wanted.
    """

    __slots__ = ("batches", "epoch", "first", "records", "time_s")

    def __init__(
        self, epoch: int, first: int, records: Sequence[Record], time_s: float
    ) -> None:
        self.epoch = epoch
        self.first = first
        self.records = records
        self.time_s = time_s
        self.batches: dict[Encoding, list[Batch]] = {}

    @property
    def last(self) -> int:
        """The number of the last record."""
        return self.first + len(self.records) - 1

    @property
    def size(self) -> int:
        """About how many bytes it occupies."""
        size = _RECORD_BYTES * len(self.records)
        for batches in self.batches.values():
            for batch in batches:
                size += batch.size
        return size


class Ring:
    """The stretches of the last seconds, bounded in bytes; the oldest go first."""

    def __init__(self, max_bytes: int = MAX_BYTES, max_age_s: float = MAX_AGE_S):
        self.size = 0
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._stretches: deque[tuple[Stretch, int]] = deque()
        self._run: Stretch | None = None  # from this one on there is no hole

    def append(self, stretch: Stretch) -> None:
        """Keep a stretch once its frames are made; it is the newest."""
        size = stretch.size
        stretches = self._stretches
        last = stretches[-1][0] if stretches else None
        if (
            last is None
            or last.epoch != stretch.epoch
            or last.last + 1 != stretch.first
        ):
            self._run = stretch
        stretches.append((stretch, size))
        self.size += size
        oldest_s = stretch.time_s - self._max_age_s
        while self.size > self._max_bytes or stretches[0][0].time_s < oldest_s:
            oldest, size = stretches.popleft()
            self.size -= size
            if oldest is self._run:
                self._run = stretches[0][0] if stretches else None
            if not stretches:
                return

    def has_all(self, position: Position, *, head: Position) -> bool:
        """Return True if all records between two positions are here."""
        if position == head:
            return True
        if self._run is None or self._stretches[-1][0].last != head.number:
            return False
        return (
            position.epoch == head.epoch == self._run.epoch
            and self._run.first - 1 <= position.number <= head.number
        )

    def up_to(self, position: Position) -> list[Stretch]:
        """Return the stretches that end at a position without a hole, oldest first."""
        epoch, head = position
        found: list[Stretch] = []
        for stretch, _ in reversed(self._stretches):
            if stretch.epoch != epoch or stretch.last != head:
                break
            found.append(stretch)
            head = stretch.first - 1
        return found[::-1]

    def since(
        self, position: Position, *, head: int
    ) -> list[tuple[Stretch, int]] | None:
        """Return all from a position to number ``head``; None if some is missing.

        Oldest first, each with the index of its first record that followed.
        """
        found: list[tuple[Stretch, int]] = []
        epoch, number = position
        for stretch, _ in reversed(self._stretches):
            if stretch.epoch != epoch or stretch.last != head:
                return None
            found.append((stretch, max(0, number + 1 - stretch.first)))
            if stretch.first <= number + 1:
                return found[::-1]
            head = stretch.first - 1
        return None
