"""What a topic has to send: its records that wait, and whether its state was asked for.

Pure: the publisher sends it, and says what arrived.
"""

from collections import deque
from itertools import islice

import msgspec

from marketdata.books import Book
from marketdata.layer_messages import NumberedRecords, TopicState
from marketdata.records import KINDS, Kind, OrderBook, Record
from marketdata.topics import Topic, group_name

MAX_RECORDS_PER_MESSAGE = 500  # about 40 KB; a hub decodes it in under 1 ms


class Answer(msgspec.Struct, frozen=True, eq=False):
    """What a topic's state says beyond its numbers; ``last`` if it had no record."""

    is_recorded: bool
    is_live: bool
    last: Record | None


class Sending(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What a flush sends of a line: records numbered below ``end``, then the answer."""

    line: "OutgoingLine"
    end: int
    answer: Answer | None


class OutgoingLine:
    """The records of one topic that wait; the newest has the number ``head``.

    ``last`` is the newest record, ``book`` what an order book's records come to;
    ``answer`` is set while the topic's state is to be sent behind the records. The
    publisher writes all of them.
    """

    __slots__ = ("answer", "book", "group", "head", "last", "pending")

    def __init__(self, topic: Topic) -> None:
        self.group = group_name(topic)
        self.pending: deque[Record] = deque()
        self.head = 0
        self.last: Record | None = None
        self.book: Book | None = None
        self.answer: Answer | None = None

    @property
    def first(self) -> int:
        """Number of the oldest record that waits."""
        return self.head - len(self.pending) + 1

    def take_change(self, record: OrderBook) -> None:
        """Note the next record of an order book."""
        if self.book is None:
            self.book = Book()
        self.book.apply(record)

    def newest(self) -> Record | None:
        """Return the newest record that tells the whole state, if there was one."""
        return self.last if self.book is None else self.book.whole()

    def next_records(self, epoch: int, stored: int) -> NumberedRecords:
        """Return what the next message carries; the records stay here."""
        records = list(islice(self.pending, MAX_RECORDS_PER_MESSAGE))
        return NumberedRecords(epoch, self.first, records, stored)

    def state(self, epoch: int, stored: int, answer: Answer) -> TopicState:
        """Return where the topic is once all records that wait have been sent."""
        last = self.newest()
        return TopicState(
            epoch,
            self.head,
            stored,
            answer.is_recorded,
            answer.is_live,
            answer.last if last is None else last,
        )

    def forget(self, sending: Sending) -> int:
        """Drop what was sent, and return how many records that were."""
        # Some may have been dropped while they were on their way.
        sent = max(0, sending.end - self.first)
        for _ in range(sent):
            self.pending.popleft()
        # Who asked while this was on its way may have joined too late to hear it.
        if self.answer is sending.answer:
            self.answer = None
        return sent


def line_key(topic: Topic) -> tuple[object, ...]:
    """Return what finds a topic's line; a record's type, broker and symbol come first.

    So the key of a record is made without its topic, which takes longer.
    """
    key: tuple[object, ...] = (_TYPES[topic.kind], topic.broker, topic.symbol)
    if topic.kind is Kind.CANDLE:
        key += (topic.timeframe, topic.price_side)
    return key


_TYPES = {kind: record_type for record_type, kind in KINDS.items()}
