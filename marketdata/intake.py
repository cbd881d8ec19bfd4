"""What feeds send to a process: messages of the channel layer, put into lines."""

from collections.abc import Callable

import msgspec

from marketdata.delivery import Delivery
from marketdata.exceptions import InvalidLayerMessage
from marketdata.layer_messages import (
    Beat,
    Gaps,
    LayerMessage,
    NumberedRecords,
    TopicState,
    decode_message,
)
from marketdata.layers import Message
from marketdata.line import Line
from marketdata.records import Kind, Record


class HubCounters(msgspec.Struct):
    """Messages and records in, and what was wrong with the numbers.

    ``lost`` counts the records that ``gaps`` holes held; ``stale`` those of a lower
    epoch than known, ``repeated`` those with a number that was delivered before.
    """

    messages: int = 0
    records: int = 0
    invalid: int = 0
    gaps: int = 0
    lost: int = 0
    stale: int = 0
    repeated: int = 0


class Intake:
    """Takes records in the order of their numbers, each once, and tells of holes.

    ``on_missed_book`` is called with the line of an order book that lacks a change.
    """

    def __init__(self, delivery: Delivery) -> None:
        self.on_missed_book: Callable[[Line], None] = lambda line: None
        self.counters = HubCounters()
        self._delivery = delivery

    def receive(self, line: Line, message: Message) -> None:
        """Take a message of the line's group."""
        content = self._decode(message)
        if isinstance(content, NumberedRecords):
            self._take_records(line, content)
        elif isinstance(content, TopicState):
            self._take_state(line, content)

    def receive_beat(self, message: Message) -> Beat | Gaps | None:
        """Return what a message of a broker's group says."""
        content = self._decode(message)
        return content if isinstance(content, Beat | Gaps) else None

    def _decode(self, message: Message) -> LayerMessage | None:
        self.counters.messages += 1
        try:
            return decode_message(message)
        except InvalidLayerMessage:
            self.counters.invalid += 1
            return None

    def _take_records(self, line: Line, batch: NumberedRecords) -> None:
        records, numbers = batch.records, line.numbers
        self.counters.records += len(records)
        if numbers.number + 1 != batch.first or numbers.epoch != batch.epoch:
            self._delivery.flush(line)  # what is pending is one run of numbers
        placed = numbers.advance(batch.epoch, batch.first, len(records))
        if placed.is_stale:
            self.counters.stale += len(records)
            return
        line.note_stored(batch.epoch, batch.stored)
        if placed.repeated:
            self.counters.repeated += placed.repeated
            records = records[placed.repeated :]
        if placed.lost:
            self._tell_gap(line, placed.lost, records[0])
            if line.topic.kind is Kind.ORDERBOOK:
                line.miss_book()
                self.on_missed_book(line)
        if records:
            line.pending.extend(records)
            self._delivery.schedule(line)

    def _take_state(self, line: Line, state: TopicState) -> None:
        self._delivery.flush(line)
        placed = line.numbers.jump(state.epoch, state.head)
        if placed.is_stale:
            return
        if placed.lost:
            self._tell_gap(line, placed.lost, state.last)
            if line.topic.kind is Kind.ORDERBOOK:
                line.miss_book()
        line.note_state(state)

    def _tell_gap(self, line: Line, lost: int, following: Record | None) -> None:
        self.counters.gaps += 1
        self.counters.lost += lost
        line.announce(line.gap(lost, following))
