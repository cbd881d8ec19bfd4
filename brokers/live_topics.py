"""Candles and tickers that hubs follow: computed of the records as they come.

A topic begins with what the store has of its open bucket and the records that it does
not have yet. From time to time, and when the past of a series changes, that is read
anew: whatever else was written is in the candles then, and what was published as final
is corrected.
"""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import django.db
import msgspec
import psycopg
import structlog

from brokers.bucket_store import BucketStore
from brokers.demand import Change
from brokers.run_together import run_together
from marketdata.candle_building import RECORD_TYPES, Read, StoredBucket
from marketdata.live_candle import LiveCandle
from marketdata.live_ticker import LiveTicker
from marketdata.numbering import pack
from marketdata.publisher import Publisher
from marketdata.records import Kind, Record
from marketdata.topics import Topic

LOOK_S = 0.1  # how often it is looked what is due
READ_TIMEOUT_S = 5.0

AWAY = (django.db.Error, psycopg.Error, TimeoutError)

log = structlog.get_logger(__name__)


class LiveOptions(msgspec.Struct, frozen=True):
    """Seconds: how long a bucket waits for late records after its end, how often a
    series is read anew, and how often it is asked whether its past changed.
    """

    grace_s: float = 0.5
    reread_s: float = 60.0
    revision_s: float = 10.0
    is_simulated: bool = False


class LiveTopics:
    """The candle and ticker topics of one feed; without a store they begin empty."""

    def __init__(
        self,
        publisher: Publisher,
        store: BucketStore | None,
        options: LiveOptions,
        *,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
    ) -> None:
        self._publisher = publisher
        self._store = store
        self._options = options
        self._now_us = now_us
        self._lines: dict[Topic, LiveCandle | LiveTicker] = {}
        self._takers: dict[tuple[type, str], list[LiveCandle | LiveTicker]] = {}
        self._starting: defaultdict[Topic, list[Callable[[], None]]] = defaultdict(list)
        self._to_read: dict[str, bool] = {}  # symbol, whether as far back as can be
        self._read_s: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._is_away = False

    def change(self, change: Change) -> None:
        """Begin and end topics; others than candles and tickers are ignored."""
        for topic in change.removed:
            self._lines.pop(topic, None)
            self._starting.pop(topic, None)
        for topic in change.added:
            if topic.kind in (Kind.CANDLE, Kind.TICKER) and topic not in self._lines:
                self._begin(topic)
        self._set_takers()

    def when_ready(self, topic: Topic, do: Callable[[], None]) -> None:
        """Call ``do`` once the topic's first record was published; at once for others.

        At once, too, if the topic is ready, or is not followed.
        """
        if topic in self._starting:
            self._starting[topic].append(do)
        else:
            do()

    def take(self, records: Sequence[Record], numbers: Sequence[int]) -> None:
        """Count records that were just published under these numbers."""
        if not self._takers:
            return
        epoch = self._publisher.epoch
        for record, number in zip(records, numbers, strict=True):
            lines = self._takers.get((type(record), record.symbol))
            if lines:
                seq = pack(epoch, number)
                for line in lines:
                    line.add(record, seq)

    async def run(self) -> None:
        """Publish what is due, and read what is to be read. Never returns."""
        if self._store is None:
            await self._publish_due()
        else:
            await run_together(
                self._publish_due(),
                self._read_on(self._store),
                self._watch_revisions(self._store),
            )

    def _begin(self, topic: Topic) -> None:
        line: LiveCandle | LiveTicker
        simulated, now_us = self._options.is_simulated, self._now_us()
        if topic.kind is Kind.TICKER:
            line = LiveTicker(topic, now_us, is_simulated=simulated)
        else:
            grace_us = int(self._options.grace_s * 1e6)
            line = LiveCandle(topic, now_us, grace_us=grace_us, is_simulated=simulated)
        self._lines[topic] = line
        if self._store is not None:
            self._starting[topic] = []
            self._ask(topic.symbol)

    def _set_takers(self) -> None:
        takers = defaultdict(list)
        for topic, line in self._lines.items():
            for kind in line.record_types:
                takers[kind, topic.symbol].append(line)
        self._takers = dict(takers)

    async def _publish_due(self) -> None:
        while True:
            now_us = self._now_us()
            for topic, line in self._lines.items():
                if topic not in self._starting and (due := line.due(now_us)):
                    self._publisher.publish(due)
            await asyncio.sleep(LOOK_S)

    # Reading

    def _ask(self, symbol: str, *, is_whole: bool = False) -> None:
        self._to_read[symbol] = is_whole or self._to_read.get(symbol, False)
        self._wake.set()

    async def _read_on(self, store: BucketStore) -> None:
        """Read each series when asked to, and every ``reread_s``."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._to_read:
                symbol = next(iter(self._to_read))
                await self._read(store, symbol, is_whole=self._to_read.pop(symbol))

    async def _watch_revisions(self, store: BucketStore) -> None:
        known: Mapping[str, int] = {}
        while True:
            await asyncio.sleep(self._options.revision_s)
            symbols = {topic.symbol for topic in self._lines}
            now_s = time.monotonic()
            for symbol in symbols:
                if now_s - self._read_s.get(symbol, now_s) >= self._options.reread_s:
                    self._ask(symbol)
            if not symbols:
                continue
            try:
                async with asyncio.timeout(READ_TIMEOUT_S):
                    found = await store.revisions(symbols)
            except AWAY:
                continue  # the recorder says that the database is away
            for symbol, revision in found.items():
                if known.get(symbol, revision) != revision:
                    self._ask(symbol, is_whole=True)
            known = found

    async def _read(self, store: BucketStore, symbol: str, *, is_whole: bool) -> None:
        lines = [line for topic, line in self._lines.items() if topic.symbol == symbol]
        now_us = self._now_us()
        reads = {
            line: [
                read
                for read in line.reads(
                    now_us, is_whole=is_whole or line.topic in self._starting
                )
                if line.topic in self._starting
                # What is not recorded would be lost.
                or store.has_stored(RECORD_TYPES[read.price_side], symbol)
            ]
            for line in lines
        }
        wanted = list(dict.fromkeys(read for each in reads.values() for read in each))
        try:
            # Not `wait_for`: from the answer to `unstored` the loop must not turn.
            async with asyncio.timeout(READ_TIMEOUT_S):
                found = await store.read(symbol, wanted, now_us)
                self._load(store, symbol, reads, found)
        except AWAY as exc:
            if not self._is_away:
                log.warning("stored candles cannot be read", error=str(exc).strip())
            self._is_away = True
            self._read_s[symbol] = -math.inf
        else:
            self._is_away = False
            self._read_s[symbol] = time.monotonic()
        for line in lines:
            self._become_ready(line)

    def _load(
        self,
        store: BucketStore,
        symbol: str,
        reads: Mapping[LiveCandle | LiveTicker, Sequence[Read]],
        found: Mapping[Read, Sequence[StoredBucket]],
    ) -> None:
        epoch = self._publisher.epoch
        unstored = {
            kind: [
                (record, pack(epoch, number))
                for record, number in store.unstored(kind, symbol)
            ]
            for kind in set(RECORD_TYPES.values())
        }
        for line, each in reads.items():
            for read in each:
                kind = RECORD_TYPES[read.price_side]
                line.load(read, found[read], unstored[kind])

    def _become_ready(self, line: LiveCandle | LiveTicker) -> None:
        """Publish where the topic is, then answer those who asked."""
        waiting = self._starting.pop(line.topic, None)
        if waiting is None:
            return
        newest = line.newest(self._now_us())
        if newest is not None:
            self._publisher.publish([newest])
        for do in waiting:
            do()
