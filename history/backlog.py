"""Rows that wait for the database, in order: in memory, and beyond a bound on disk."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

from history.journal import Journal
from history.journal_segments import Segment
from history.live_rows import Row


class Backlog:
    """A queue of rows, at most ``max_rows`` of them in memory.

    With a journal each row is on disk, too, until it has left. Over the bound rows are
    there alone, until half of those in memory have left; then new ones are held in
    memory again, behind the segments that are to be read.
    """

    def __init__(self, max_rows: int, journal: Journal | None = None) -> None:
        self._max_rows = max_rows
        self._journal = journal
        self._chunks: deque[list[Row] | Segment] = deque()
        self._in_memory = 0  # taken ones included, until they leave
        self._is_spilling = False
        self._taken: Sequence[Row] | Segment = ()  # last
        self._left_of_taken = 0
        self._added = 0  # since the start, as those that left
        self._left = 0
        self._sealed: deque[tuple[int, Segment]] = deque()  # rows until their ends

    @property
    def held(self) -> int:
        """Rows that were added and have not left."""
        return self._added - self._left

    @property
    def is_on_disk(self) -> bool:
        """Whether some of the rows are in the journal alone, or were a moment ago."""
        return (
            self._is_spilling
            or isinstance(self._taken, Segment)
            or any(isinstance(chunk, Segment) for chunk in self._chunks)
        )

    def add(self, rows: Sequence[Row]) -> int:
        """Take rows, written to the journal first; return how many were lost."""
        journal = self._journal
        room = self._max_rows - self._in_memory
        if journal is not None and len(rows) > room and not self._is_spilling:
            self._seal()
            self._is_spilling = True
        is_written = journal is not None and journal.append(rows)
        if self._is_spilling:
            taken = len(rows) if is_written else 0
        else:
            taken = self._hold(rows[:room])
        self._added += taken
        if journal is not None and journal.is_segment_full:
            self._seal()
        return len(rows) - taken

    def take(self) -> list[Row] | Segment | None:
        """Return the oldest rows that were not taken, or where they are; or None."""
        if self._is_spilling and self._in_memory <= self._max_rows // 2:
            self._seal()
            self._is_spilling = False
        chunk = self._chunks.popleft() if self._chunks else None
        self._taken, self._left_of_taken = chunk or (), 0
        return chunk

    def leave(self, count: int) -> list[Segment]:
        """Note that rows of the chunk taken last are done with, in order.

        Returns the segments that no longer hold anything else.
        """
        self._left += count
        self._left_of_taken += count
        if not isinstance(self._taken, Segment):
            self._in_memory -= count
        done = []
        while self._sealed and self._sealed[0][0] <= self._left:
            done.append(self._sealed.popleft()[1])
        if self._journal is not None and not self.held:
            self._journal.reset()
        return done

    def in_memory(self) -> Iterator[Row]:
        """Yield the rows in memory that have not left; none of a segment."""
        if not isinstance(self._taken, Segment):
            yield from islice(self._taken, self._left_of_taken, None)
        for chunk in self._chunks:
            if not isinstance(chunk, Segment):
                yield from chunk

    def _hold(self, rows: Sequence[Row]) -> int:
        if not self._chunks or isinstance(self._chunks[-1], Segment):
            self._chunks.append([])
        last = self._chunks[-1]
        assert not isinstance(last, Segment)
        last.extend(rows)
        self._in_memory += len(rows)
        return len(rows)

    def _seal(self) -> None:
        """End the journal's segment; what is in it alone is to be read."""
        segment = self._journal.seal() if self._journal is not None else None
        if segment is None:
            return
        self._sealed.append((self._added, segment))
        if self._is_spilling:
            self._chunks.append(segment)
