"""Publishes numbered records to the groups of their topics, once per turn of a loop."""

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Any, Protocol

import msgspec
import structlog
from redis.exceptions import RedisError

from marketdata.layer_messages import NumberedRecords, encode_message
from marketdata.numbering import Sequencer
from marketdata.records import Candle, Record
from marketdata.topics import Topic, group_name, topic_of

# What is kept while Redis is away: some seconds of a busy market. Older than that it
# is history, which the recorder has.
MAX_PENDING_PER_TOPIC = 2_000
MAX_PENDING = 100_000
MAX_RECORDS_PER_MESSAGE = 500  # about 40 KB; a hub decodes it in under 1 ms
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


class _Line:
    """The records of one topic that wait; the newest has the number ``last``."""

    __slots__ = ("group", "last", "pending", "topic")

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.group = group_name(topic)
        self.pending: deque[Record] = deque()
        self.last = 0

    @property
    def first(self) -> int:
        """Number of the oldest record that waits."""
        return self.last - len(self.pending) + 1

    def oldest(self, epoch: int) -> NumberedRecords:
        """Return what the next message carries; the records stay here."""
        records = list(islice(self.pending, MAX_RECORDS_PER_MESSAGE))
        return NumberedRecords(epoch, self.first, records)


class Publisher:
    """Numbers records and sends them, the records of one turn in one pipeline.

    Belongs to one event loop. While Redis is away it keeps the newest records and drops
    the oldest of a topic; their numbers are spent, so subscribers see the hole.
    """

    def __init__(self, layer: BatchLayer, epoch: int) -> None:
        self.epoch = epoch
        self.counters = PublisherCounters()
        self._layer = layer
        self._sequencer = Sequencer(epoch)
        self._lines: dict[tuple[object, ...], _Line] = {}
        self._waiting: dict[_Line, None] = {}  # lines with records, in order of arrival
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
            line = self._line(record)
            line.last = self._sequencer.next_number(line.topic)
            numbers.append(line.last)
            line.pending.append(record)
            self._waiting[line] = None
            self._pending += 1
            if len(line.pending) > MAX_PENDING_PER_TOPIC or self._pending > MAX_PENDING:
                self._drop_oldest(line)
        if numbers:
            self.counters.records += len(numbers)
            self._start()
        return numbers

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
        return not self._pending

    def _line(self, record: Record) -> _Line:
        key: tuple[object, ...] = (type(record), record.broker, record.symbol)
        if type(record) is Candle:
            key += (record.timeframe, record.price_side)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line(topic_of(record))
        return line

    def _drop_oldest(self, line: _Line) -> None:
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
            while self._pending:
                if await self._flush():
                    delay_s = RETRY_MIN_S
                else:
                    await asyncio.sleep(delay_s * random.uniform(0.5, 1.5))
                    delay_s = min(2 * delay_s, RETRY_MAX_S)
            self._idle.set()

    async def _flush(self) -> bool:
        """Send the oldest of each waiting line; on failure they wait on."""
        batches = [(line, line.oldest(self.epoch)) for line in self._waiting]
        try:
            await self._layer.group_send_many(
                [(line.group, encode_message(batch)) for line, batch in batches]
            )
        except (RedisError, OSError) as exc:
            self.counters.failed_flushes += 1
            if not self._is_away:
                log.warning("publisher lost Redis", error=str(exc))
            self._is_away = True
            return False
        if self._is_away:
            self._is_away = False
            log.info("publisher has Redis again", dropped=self.counters.dropped)
        self.counters.messages += len(batches)
        for line, batch in batches:
            self._forget_sent(line, batch)
        return True

    def _forget_sent(self, line: _Line, batch: NumberedRecords) -> None:
        # Some may have been dropped while they were on their way.
        sent = max(0, batch.first + len(batch.records) - line.first)
        for _ in range(sent):
            line.pending.popleft()
        self._pending -= sent
        self.counters.published += sent
        if not line.pending:
            del self._waiting[line]
