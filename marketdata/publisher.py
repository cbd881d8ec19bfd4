"""Publishes numbered records to the groups of their topics, once per turn of a loop."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, cast

import msgspec
import structlog
from redis.exceptions import RedisError

from marketdata.lag_histogram import LagHistogram
from marketdata.layer_messages import encode_message
from marketdata.outgoing import Answer, OutgoingLine, Sending, line_key
from marketdata.records import Candle, OrderBook, Record
from marketdata.topics import Topic, topic_of

# What is kept while Redis is away: some seconds of a busy market. Older than that it
# is history, which the recorder has.
MAX_PENDING_PER_TOPIC = 2_000
MAX_PENDING = 100_000
RETRY_MIN_S = 0.1
RETRY_MAX_S = 2.0

log = structlog.get_logger(__name__)


class BatchLayer(Protocol):
    """What the publisher needs of a channel layer."""

    async def group_send_many(
        self, messages: Sequence[tuple[str, dict[str, Any]]]
    ) -> None:
        """Send all messages in order; raise RedisError or OSError on failure."""


class PublisherCounters(msgspec.Struct):
    """Records taken, sent and dropped; messages sent; flushes that failed."""

    records: int = 0
    published: int = 0
    dropped: int = 0
    messages: int = 0
    failed_flushes: int = 0


class Publisher:
    """Numbers records and sends them, the records of one turn in one pipeline.

    Belongs to one event loop. While Redis is away it keeps the newest records and drops
    the oldest of a topic; their numbers are spent, so subscribers see the hole.

    ``stored_numbers`` says by group name up to which number a topic is in the database;
    it changes while the publisher runs. ``before_send`` is called before records leave.
    ``lag`` is from the arrival of each message's oldest record until Redis has it.
    ``owner`` names the private feed of which the records are, if they are of one.
    """

    def __init__(
        self,
        layer: BatchLayer,
        epoch: int,
        *,
        stored_numbers: Mapping[str, int] = MappingProxyType({}),
        before_send: Callable[[], None] = lambda: None,
        owner: str = "",
    ) -> None:
        self.epoch = epoch
        self.counters = PublisherCounters()
        self.lag = LagHistogram()
        self.stored_numbers = stored_numbers
        self._layer = layer
        self._before_send = before_send
        self._owner = owner
        self._lines: dict[tuple[object, ...], OutgoingLine] = {}
        self._waiting: dict[OutgoingLine, None] = {}  # in order of arrival
        self._asked: dict[OutgoingLine, tuple[object, ...]] = {}  # without a record yet
        self._pending = 0
        self._is_away = False
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    def publish(self, records: Sequence[Record]) -> list[int]:
        """Take records for sending and return their numbers, one each, in order.

        Never blocks. Call it in the publisher's loop.
        """
        numbers = []
        for record in records:
            kind: type = type(record)
            key: tuple[object, ...] = (kind, record.broker, record.symbol)
            if kind is Candle:
                key += (record.timeframe, record.price_side)  # type: ignore[union-attr]
            line = self._lines.get(key)
            if line is None:
                line = self._lines[key] = OutgoingLine(self._topic_of(record))
            line.head += 1
            numbers.append(line.head)
            line.pending.append(record)
            line.last = record
            if kind is OrderBook:
                line.take_change(cast(OrderBook, record))
            self._waiting[line] = None
            self._pending += 1
            if len(line.pending) > MAX_PENDING_PER_TOPIC or self._pending > MAX_PENDING:
                self._drop_oldest(line)
        if numbers:
            self.counters.records += len(numbers)
            self._start()
        return numbers

    def announce(
        self,
        topic: Topic,
        *,
        is_recorded: bool,
        is_live: bool,
        last: Record | None = None,
    ) -> None:
        """Send where the topic is on its own group, behind the records taken so far.

        Never blocks. ``last`` is what is known of the time before the epoch, for a
        topic that had no record since.
        """
        line = self._line(topic)
        line.answer = Answer(is_recorded, is_live, last)
        self._waiting[line] = None
        self._start()

    def last(self, topic: Topic) -> Record | None:
        """Return the newest record; of an order book the whole one that it is now."""
        line = self._lines.get(line_key(topic))
        return None if line is None else line.newest()

    def lasts(self) -> list[Record]:
        """Return the newest record of each topic that had one: of a book a change."""
        return [line.last for line in self._lines.values() if line.last is not None]

    async def drain(self, timeout_s: float = 5.0) -> bool:
        """Send what waits, then stop; False if records were left after the time."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        except TimeoutError:
            log.warning("publisher stopped with unsent records", records=self._pending)
        finally:
            if self._task is not None:
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)
                self._task = None
        return not self._waiting

    def _topic_of(self, record: Record) -> Topic:
        topic = topic_of(record)
        return msgspec.structs.replace(topic, owner=self._owner)

    def _line(self, topic: Topic) -> OutgoingLine:
        key = line_key(topic)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = OutgoingLine(topic)
            self._asked[line] = key
        return line

    def _drop_oldest(self, line: OutgoingLine) -> None:
        line.pending.popleft()
        self._pending -= 1
        self.counters.dropped += 1

    def _start(self) -> None:
        self._idle.clear()
        self._wake.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="publisher")

    async def _run(self) -> None:
        delay_s = RETRY_MIN_S
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                if await self._flush():
                    delay_s = RETRY_MIN_S
                else:
                    await asyncio.sleep(delay_s * random.uniform(0.5, 1.5))
                    delay_s = min(2 * delay_s, RETRY_MAX_S)
            self._idle.set()

    async def _flush(self) -> bool:
        """Send the oldest of each waiting line; on failure they wait on."""
        self._before_send()
        messages: list[tuple[str, dict[str, Any]]] = []
        sendings = [self._put_messages(line, messages) for line in self._waiting]
        try:
            await self._layer.group_send_many(messages)
        except (RedisError, OSError) as exc:
            self.counters.failed_flushes += 1
            if not self._is_away:
                log.warning("publisher lost Redis", error=str(exc))
            self._is_away = True
            return False
        if self._is_away:
            self._is_away = False
            log.info("publisher has Redis again", dropped=self.counters.dropped)
        self.counters.messages += len(messages)
        now_us = time.time_ns() // 1_000
        for sending in sendings:
            self._forget_sent(sending, now_us)
        return True

    def _put_messages(
        self, line: OutgoingLine, messages: list[tuple[str, dict[str, Any]]]
    ) -> Sending:
        """Append what the line sends next, and return what that is."""
        stored = self.stored_numbers.get(line.group, 0)
        batch = line.next_records(self.epoch, stored)
        end = batch.first + len(batch.records)
        if batch.records:
            messages.append((line.group, encode_message(batch)))
        answer = line.answer
        if answer is None or end <= line.head:
            return Sending(line, end, None)
        state = line.state(self.epoch, stored, answer)
        messages.append((line.group, encode_message(state)))
        return Sending(line, end, answer)

    def _forget_sent(self, sending: Sending, now_us: int) -> None:
        line = sending.line
        oldest = line.pending[0] if line.pending else None
        sent = line.forget(sending)
        if sent and oldest is not None:
            self.lag.observe(now_us - oldest.received_us, sent)
        self._pending -= sent
        self.counters.published += sent
        if not line.pending and line.answer is None:
            del self._waiting[line]
            # Topics have any name where clients name them (`run_feed redis`): one that
            # has no number yet is not kept.
            key = self._asked.pop(line, None)
            if key is not None and not line.head:
                del self._lines[key]
