"""Stored records of several topics in the order of their times, read page by page."""

import heapq
from collections import deque
from collections.abc import Collection

from marketdata.records import Record
from marketdata.stored_records import Place, Stored, StoredRecords, Wanted
from marketdata.topics import Topic

PAGE_ROWS = 2_000
_ALL = 2**63 - 1  # of any epoch and number


class _Line:
    """What is read of one topic and was not taken yet."""

    def __init__(self, topic: Topic, start_us: int) -> None:
        self.topic = topic
        self.rows: deque[Stored] = deque()
        self.start_us = start_us
        self.after: Place | None = None
        self.is_over = False


class HistoryLines:
    """The records of topics up to ``to_us``, merged; each line is read as it is needed.

    Topics can be added and removed; one that is added begins where the others are.
    """

    def __init__(self, pages: StoredRecords, from_us: int, to_us: int) -> None:
        self.reached_us = from_us
        self._pages = pages
        self._to_us = to_us
        self._lines: dict[Topic, _Line] = {}
        self._heads: list[tuple[int, int, Topic]] = []  # time, seq
        self._empty: set[Topic] = set()

    def set_topics(self, topics: Collection[Topic]) -> None:
        """Have these from now on."""
        for topic in self._lines.keys() - topics:
            del self._lines[topic]
            self._empty.discard(topic)
        for topic in topics - self._lines.keys():
            self._lines[topic] = _Line(topic, self.reached_us)
            self._empty.add(topic)
        self._heads = [head for head in self._heads if head[2] in self._lines]
        heapq.heapify(self._heads)

    async def next_us(self) -> int | None:
        """Return the time of the next record, None if there is none any more.

        Raises:
            HistoryUnavailable: it cannot be read now; call again.
        """
        while self._empty:
            await self._fill(next(iter(self._empty)))
        return self._heads[0][0] if self._heads else None

    async def take(self, until_us: float, limit: int) -> list[Record]:
        """Return the next records up to a time, as they are stored, oldest first.

        Raises:
            HistoryUnavailable: none was taken; call again.
        """
        taken: list[Record] = []
        while len(taken) < limit:
            # A page that must be read now would lose what was taken if it failed.
            if taken and self._empty:
                break
            next_us = await self.next_us()
            if next_us is None or next_us > until_us:
                break
            taken.append(self._pop())
        return taken

    def _pop(self) -> Record:
        time_us, _, topic = heapq.heappop(self._heads)
        line = self._lines[topic]
        record = line.rows.popleft().record
        self.reached_us = max(self.reached_us, time_us)
        self._push(line)
        return record

    def _push(self, line: _Line) -> None:
        if line.rows:
            head = line.rows[0]
            heapq.heappush(self._heads, (head.record.time_us, head.seq, line.topic))
        elif not line.is_over:
            self._empty.add(line.topic)

    async def _fill(self, topic: Topic) -> None:
        line = self._lines[topic]
        wanted = Wanted(
            start_us=line.start_us,
            end_us=self._to_us,
            above=0,
            upto=_ALL,
            imported_us=line.start_us,
            limit=PAGE_ROWS,
            after=line.after,
        )
        page = await self._pages.page(topic, wanted)
        if self._lines.get(topic) is not line:
            return  # removed meanwhile
        self._empty.discard(topic)
        line.is_over = len(page) < PAGE_ROWS
        if page:
            line.rows.extend(page)
            line.after = page[-1].place
            self._push(line)
