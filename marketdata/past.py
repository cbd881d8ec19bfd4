"""Stored records as frames, made once for all clients that ask for the same.

After a restart thousands of clients come back and lack the same rows. A page is asked
for once, and kept for a moment.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from functools import partial
from typing import Any, TypeVar, cast

import msgspec

from marketdata.catalog import Instrument
from marketdata.effects import Position
from marketdata.encodings import Encoding
from marketdata.exceptions import HistoryUnavailable
from marketdata.numbering import epoch_text, unpack
from marketdata.records import Candle
from marketdata.stored_records import Place, Span, Stored, StoredRecords, Wanted
from marketdata.topics import Topic
from marketdata.wire import Batch

Found = TypeVar("Found")

HISTORY = "history"  # the phase of a stored record's frame
PAGE_ROWS = 500  # some 150 KB of frames, encoded in 2 ms
NEWEST_S = 0.5
KEEP_S = 5.0  # what is imported meanwhile is seen after this time
KEEP_BYTES = 16 * 1024 * 1024
_ANSWER_BYTES = 200  # about, of anything but a page


class Page(msgspec.Struct, frozen=True):
    """A page's frames, and the keys of all its rows in order."""

    batch: Batch
    places: Sequence[Place]


class Past:
    """The stored records of topics; belongs to one event loop.

    What its methods return is shared. They raise HistoryUnavailable.
    """

    def __init__(self, store: StoredRecords) -> None:
        self._store = store
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()
        self._size = 0

    async def span(self, topic: Topic, target: Position) -> Span | None:
        """Return where the series lies, once all up to a position is stored."""
        key = ("span", topic, target)
        return await self._share(key, lambda: self._store.span(topic))

    async def find(
        self, topic: Topic, position: Position, within: Span, *, near_us: int | None
    ) -> Place | None:
        """Return the row of a position, as `StoredRecords.find`."""
        # The span's start moves with the clock.
        key = ("find", topic, position, within.end_us)
        return await self._share(
            key,
            lambda: self._store.find(topic, position, within, near_us=near_us),
        )

    async def newest(self, topic: Topic, upto: int) -> Stored | None:
        """Return the stored record with the highest ``seq`` up to one."""
        moment = asyncio.get_running_loop().time() // NEWEST_S
        key = ("newest", topic, upto, moment)
        return await self._share(key, lambda: self._store.newest(topic, upto))

    async def page(
        self,
        topic: Topic,
        instrument: Instrument | None,
        encoding: Encoding,
        wanted: Wanted,
    ) -> Page:
        """Return a page of ticks or trades."""

        async def load() -> Page:
            rows = await self._store.page(topic, wanted)
            frames = [_frame(row, instrument, encoding) for row in rows]
            return _page(frames, [row.place for row in rows])

        return await self._share((topic, encoding, wanted), load)

    async def candles(
        self,
        topic: Topic,
        instrument: Instrument | None,
        encoding: Encoding,
        span: Span,
    ) -> Page:
        """Return a page of candles; ``seq`` of their places is 0."""

        async def load() -> Page:
            candles = await self._store.candles(topic, *span, limit=PAGE_ROWS)
            frames = [
                encoding.data(
                    candle, instrument, number=None, epoch=None, phase=HISTORY
                )
                for candle in candles
            ]
            return _page(frames, [Place(candle.time_us, 0) for candle in candles])

        return await self._share((topic, encoding, span), load)

    async def _share(
        self, key: Hashable, load: Callable[[], Awaitable[Found]]
    ) -> Found:
        """Return what ``load`` returns, or returned to somebody a moment ago."""
        now_s = asyncio.get_running_loop().time()
        answer = self._answers.get(key)
        if answer is None or now_s - answer.started_s > KEEP_S:
            self._drop(key)
            answer = self._answers[key] = _Answer(asyncio.ensure_future(load()), now_s)
            answer.task.add_done_callback(partial(self._keep, key, answer))
        try:
            # Who asked first may go; the others wait on.
            return cast(Found, await asyncio.shield(answer.task))
        finally:
            # Of an error this frame is a part: it would keep itself alive.
            del answer

    def _keep(
        self, key: Hashable, answer: "_Answer", _task: "asyncio.Future[Any]"
    ) -> None:
        has_failed = answer.task.cancelled() or answer.task.exception() is not None
        if self._answers.get(key) is not answer:
            return
        if has_failed:
            self._drop(key)
            return
        found = answer.task.result()
        answer.size = found.batch.size if isinstance(found, Page) else _ANSWER_BYTES
        self._size += answer.size
        while self._size > KEEP_BYTES:
            self._drop(next(iter(self._answers)))

    def _drop(self, key: Hashable) -> None:
        answer = self._answers.pop(key, None)
        if answer is not None:
            self._size -= answer.size


class _Answer:
    """A query under way or done; ``size`` is 0 until then."""

    __slots__ = ("size", "started_s", "task")

    def __init__(self, task: "asyncio.Future[Any]", started_s: float) -> None:
        self.task = task
        self.started_s = started_s
        self.size = 0


def _page(frames: Sequence[bytes | None], places: Sequence[Place]) -> Page:
    return Page(Batch([frame for frame in frames if frame is not None]), places)


def _frame(
    row: Stored, instrument: Instrument | None, encoding: Encoding
) -> bytes | None:
    epoch, number = unpack(row.seq)
    return encoding.data(
        row.record,
        instrument,
        number=number if epoch else None,
        epoch=epoch_text(epoch) if epoch else None,
        phase=HISTORY,
    )


class NoStore:
    """`StoredRecords` where nothing is stored: a server without a database."""

    async def span(self, topic: Topic) -> Span | None:
        raise HistoryUnavailable("there is no store")

    async def find(
        self, topic: Topic, position: Position, within: Span, *, near_us: int | None
    ) -> Place | None:
        raise HistoryUnavailable("there is no store")

    async def newest(self, topic: Topic, upto: int) -> Stored | None:
        raise HistoryUnavailable("there is no store")

    async def page(self, topic: Topic, wanted: Wanted) -> Sequence[Stored]:
        raise HistoryUnavailable("there is no store")

    async def candles(
        self, topic: Topic, start_us: int, end_us: int, *, limit: int
    ) -> Sequence[Candle]:
        raise HistoryUnavailable("there is no store")
