"""One topic in a process: where it is, who follows it, what came and has not gone."""

import asyncio
from collections.abc import Sequence
from typing import cast

from marketdata.books import Book
from marketdata.catalog import Instrument
from marketdata.codes import StatusCode
from marketdata.conflation import Numbered
from marketdata.effects import Follow, Position
from marketdata.encodings import Encoding, Notice
from marketdata.followers import Followers
from marketdata.layer_messages import TopicState
from marketdata.line_numbers import Numbers
from marketdata.records import Kind, OrderBook, Record
from marketdata.ring import Ring, Stretch
from marketdata.sinks import Sink, deliver_to_all
from marketdata.topics import Topic, group_name
from marketdata.wire import Batch, make_batches

# Of these each record makes those before it superfluous.
_NEWEST_IS_ENOUGH = (Kind.TICK, Kind.TICKER)


class Line:
    """A topic's state in this process, and the way of its records to its sinks.

    ``pending`` came in this turn of the loop and goes out at its end.
    """

    def __init__(self, topic: Topic, instrument: Instrument | None, ring: Ring) -> None:
        self.topic = topic
        self.group = group_name(topic)
        self.instrument = instrument
        self.numbers = Numbers()
        self.ring = ring
        self.pending: list[Record] = []
        self.is_recorded = False
        self.is_answered = asyncio.Event()  # the feed has said where the topic is
        self.leave_timer: asyncio.TimerHandle | None = None
        self._followers = Followers(topic.kind, self._encode_newest)
        self._stored = 0  # of its epoch, up to this number
        self._stored_epoch = 0
        self._count = 0  # of records delivered
        # The last record with its number and epoch, as far as they are known.
        self._snapshot: tuple[Record, int | None, str | None] | None = None
        self._last: Record | None = None
        self._book = Book()
        self._is_book_missed = False  # by those who follow it: a change was lost

    # Who follows

    @property
    def is_followed(self) -> bool:
        """True if there is a sink."""
        return bool(self._followers)

    def attach(self, follow: Follow, sink: Sink) -> None:
        """Deliver to the sink as it is wanted from now on, once."""
        self._followers.attach(follow, sink, self._count)

    def detach(self, encoding: Encoding, sink: Sink) -> None:
        """Deliver nothing more to the sink; harmless if it gets nothing."""
        self._followers.detach(encoding, sink)

    # What is known

    @property
    def position(self) -> Position | None:
        """Where the topic is, None while unknown."""
        numbers = self.numbers
        return Position(numbers.epoch, numbers.number) if numbers.epoch else None

    @property
    def stored(self) -> int:
        """Up to this number of its epoch the topic is in the database; 0 if unknown."""
        return self._stored if self._stored_epoch == self.numbers.epoch else 0

    def snapshot(self, encoding: Encoding) -> bytes | None:
        """Return the frame of the last record (of a book, the whole one it is now)."""
        if self.topic.kind is Kind.ORDERBOOK:
            self._snapshot = self._whole_book()
        if self._snapshot is None:
            return None
        record, number, epoch = self._snapshot
        return encoding.data(
            record, self.instrument, number=number, epoch=epoch, phase="snapshot"
        )

    def note_stored(self, epoch: int, number: int) -> None:
        """Note up to where the epoch is in the database."""
        if epoch != self._stored_epoch:
            self._stored_epoch, self._stored = epoch, 0
        self._stored = max(self._stored, number)

    def note_state(self, state: TopicState) -> None:
        """Take over what the feed knows and we do not; the numbers have been moved."""
        self.note_stored(state.epoch, state.stored)
        self.is_answered.set()
        self.is_recorded = state.is_recorded
        if isinstance(state.last, OrderBook):
            self._note_book(state.last, state.head)
        elif state.last is not None and (
            self._snapshot is None or self._snapshot[0].time_us < state.last.time_us
        ):
            if state.head:
                self._snapshot = (state.last, state.head, self.numbers.epoch_text)
            else:
                self._snapshot = (state.last, None, None)
            self._last = state.last

    def miss_book(self) -> None:
        """Note that a change of the book was lost: the next whole one is the next."""
        self._book.forget()
        self._is_book_missed = True

    def gap(self, lost: int, following: Record | None) -> Notice:
        """Return what to tell the followers about records that never came."""
        return Notice(
            StatusCode.GAP,
            self.topic,
            f"{lost} records were lost on their way to the server",
            from_us=self._last.time_us if self._last else None,
            to_us=following.time_us if following else None,
        )

    # Delivery

    def deliver(self) -> int:
        """Send what is pending to all sinks; return the number of frames times sinks.

        A record is encoded once per encoding in use.
        """
        records, self.pending = self.pending, []
        first = self.numbers.number - len(records) + 1
        now_s = asyncio.get_running_loop().time()
        stretch = Stretch(self.numbers.epoch, first, records, now_s)
        self._note(records)
        delivered = 0
        for encoding, sinks in self._followers.sinks.items():
            batches = stretch.batches[encoding] = self._encode(encoding, stretch)
            for batch in batches:
                delivered += batch.count * len(sinks)
                deliver_to_all(batch, sinks)
        if self._followers.conflators:
            newest = self._numbered(records, first)
            for conflator in self._followers.conflators.values():
                conflator.put(newest)
        self.ring.append(stretch)
        return delivered

    def announce(self, notice: Notice) -> None:
        """Send a notice to all sinks, each in its encoding."""
        for encoding, sinks in self._followers.sinks.items():
            if frame := encoding.notice(notice, self.instrument):
                batch = Batch((frame,))
                for sink in sinks:
                    sink.deliver(batch)
        for (encoding, _), conflator in self._followers.conflators.items():
            if frame := encoding.notice(notice, self.instrument):
                conflator.announce(Batch((frame,)))

    def since(self, encoding: Encoding, position: Position) -> list[Batch] | None:
        """Return the frames after a position that was delivered lately, oldest first.

        None if the ring does not hold all of them.
        """
        if position == self.position:
            return []
        found = self.ring.since(position, head=self.numbers.number)
        if found is None:
            return None
        batches: list[Batch] = []
        for stretch, index in found:
            made = None if index else stretch.batches.get(encoding)
            batches += made or self._encode(encoding, stretch, index)
        return batches

    def _encode(
        self, encoding: Encoding, stretch: Stretch, index: int = 0
    ) -> list[Batch]:
        epoch, instrument, data = (
            self.numbers.epoch_text,
            self.instrument,
            encoding.data,
        )
        records = stretch.records[index:] if index else stretch.records
        frames = [
            data(record, instrument, number=number, epoch=epoch)
            for number, record in enumerate(records, stretch.first + index)
        ]
        return make_batches([frame for frame in frames if frame is not None])

    def _encode_newest(
        self, encoding: Encoding, item: Numbered, skipped: int, *, whole_books: bool
    ) -> bytes | None:
        # The newest record led the book to where it is now, and the item is that one.
        record = self._book.whole() if whole_books else item.record
        if record is None:
            return None
        return encoding.data(
            record,
            self.instrument,
            number=item.number,
            epoch=item.epoch,
            skipped=skipped,
        )

    def _note(self, records: Sequence[Record]) -> None:
        epoch, last = self.numbers.epoch_text, self.numbers.number
        self._count += len(records)
        self._last = records[-1]
        if self.topic.kind is not Kind.ORDERBOOK:
            self._snapshot = (records[-1], last, epoch)
            return
        for record in records:
            self._book.apply(cast(OrderBook, record))
        if self._book.is_known:
            self._is_book_missed = False

    def _note_book(self, book: OrderBook, head: int) -> None:
        """Take over the whole book that number ``head`` led to."""
        if head != self.numbers.number:
            return  # an old answer: changes have come since
        self._book.apply(book)
        self._last = book
        if self._is_book_missed:
            self._is_book_missed = False
            self._tell_book()

    def _tell_book(self) -> None:
        """Send the whole book to those who had it and missed a change."""
        for encoding, sinks in self._followers.sinks.items():
            if frame := self.snapshot(encoding):
                deliver_to_all(Batch((frame,)), sinks)

    def _whole_book(self) -> tuple[Record, int | None, str | None] | None:
        book, numbers = self._book.whole(), self.numbers
        if book is None:
            return None
        return (book, numbers.number or None, numbers.epoch_text or None)

    def _numbered(self, records: Sequence[Record], first: int) -> list[Numbered]:
        epoch, before = self.numbers.epoch_text, self._count - len(records)
        start = len(records) - 1 if self.topic.kind in _NEWEST_IS_ENOUGH else 0
        return [
            Numbered(records[index], first + index, epoch, before + index + 1)
            for index in range(start, len(records))
        ]
