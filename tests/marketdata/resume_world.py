"""A feed, its recorder, a store and clients in one loop, for tests of catch-ups.

Time is the loop's: `virtual_loop` makes minutes of it pass in no time. Whatever the
feed publishes goes into the store after a while, unless `lose` says otherwise.
"""

import asyncio
import json
import random
from bisect import bisect_right, insort

from marketdata.catch_up import CatchUpOptions, CatchUps
from marketdata.effects import Follow, Position, Resume
from marketdata.exceptions import HistoryUnavailable
from marketdata.frames.unified import UNIFIED_ENCODING as UNIFIED
from marketdata.hub import Hub, HubSettings
from marketdata.layer_messages import NumberedRecords, TopicState
from marketdata.numbering import epoch_text, pack, parse_epoch, unpack
from marketdata.outbox import Outbox
from marketdata.past import Past
from marketdata.records import Kind
from marketdata.stored_records import FIRST_LIVE, Place, Span, Stored
from marketdata.topics import Topic, group_name
from tests.marketdata.hub_fakes import FakeLayer
from tests.marketdata.samples import NOW_US, catalog, tick

TICKS = Topic(Kind.TICK, "binance", "BTCUSDT")


def _place(row):
    return row.place


class MemoryStore:
    """`StoredRecords` over a list; each answer takes a while."""

    def __init__(self, rng):
        self.rows = []
        self.is_away = False
        self.queries = []
        self.hints = 0
        self._rng = rng

    def add(self, record, seq):
        insort(self.rows, Stored(record, seq), key=_place)

    async def span(self, topic):
        await self._wait("span")
        rows = self.rows
        return Span(_place(rows[0]).time_us, _place(rows[-1]).time_us) if rows else None

    async def find(self, topic, position, within, *, near_us):
        await self._wait("find")
        epoch, _ = position
        found = [
            row
            for row in self.rows
            if pack(epoch, 0) <= row.seq <= pack(*position)
            and within.start_us <= row.record.time_us <= within.end_us
        ]
        return max(found, key=lambda row: row.seq).place if found else None

    async def newest(self, topic, upto):
        await self._wait("newest")
        found = [row for row in self.rows[-1_000:] if row.seq <= upto]
        return max(found, key=lambda row: row.seq, default=None)

    async def page(self, topic, wanted):
        await self._wait("page")
        after = wanted.after or Place(wanted.start_us, -1)
        found = []
        for row in self.rows[bisect_right(self.rows, after, key=_place) :]:
            if row.record.time_us > wanted.end_us or len(found) == wanted.limit:
                break
            is_live = wanted.above < row.seq <= wanted.upto
            if row.seq < FIRST_LIVE:
                is_live = row.record.time_us >= wanted.imported_us
            if is_live:
                found.append(row)
        return found

    async def _wait(self, name):
        self.queries.append(name)
        await asyncio.sleep(self._rng.choice((0, 0.001, 0.02)))
        if self.is_away:
            raise HistoryUnavailable("away")


class WorldLayer(FakeLayer):
    """Answers demands as the feed does, while there is one."""

    def __init__(self, world):
        super().__init__()
        self.world = world

    async def group_send_many(self, messages):
        await super().group_send_many(messages)
        for _, demand in self.demands:
            for topic in demand.asked:
                self.world.answer(topic)
        self.demands.clear()


class SlowPort:
    """A socket that takes some bytes, then none for a while; 0 takes all."""

    def __init__(self, bytes_per_s=0):
        self.is_ready = True
        self.send = None
        self.on_ready = lambda: None
        self.frames = []
        self.batches = []
        self._bytes_per_s = bytes_per_s

    def write(self, batch):
        self.batches.append(batch)
        self.frames += [json.loads(frame) for frame in batch.payloads]
        if self._bytes_per_s:
            self.is_ready = False
            pause_s = batch.size / self._bytes_per_s
            asyncio.get_running_loop().call_later(pause_s, self._turn_ready)

    def close(self, code, reason):
        self.is_ready = False

    def keep_short(self):
        return

    def _turn_ready(self):
        self.is_ready = True
        self.send = None
        self.on_ready()


class Client:
    """A session that follows the topic since a moment."""

    def __init__(self, world, since, bytes_per_s=0, conflate_ms=None):
        self.world = world
        self.since = since
        self.port = SlowPort(bytes_per_s)
        self.outbox = Outbox(self.port, 1 << 20, self._overflow)
        self.has_overflown = False
        options = CatchUpOptions(now_us=world.now_us)
        self.catch_ups = CatchUps(world.hub, world.past, self.outbox, options=options)
        self.follow = Follow(TICKS, UNIFIED, since=since, conflate_ms=conflate_ms)

    async def join(self, *, since_days=7):
        await self.world.hub.prepare([TICKS])
        self.catch_ups.start(self.follow, since_days=since_days)

    def leave(self):
        self.catch_ups.close()
        self.world.hub.detach(TICKS, UNIFIED, self.outbox)
        self.outbox.stop()

    @property
    def is_catching_up(self):
        return self.catch_ups.is_running(TICKS, UNIFIED)

    @property
    def data(self):
        return [frame for frame in self.port.frames if frame["type"] == "data"]

    @property
    def notices(self):
        return [frame for frame in self.port.frames if frame["type"] == "status"]

    @property
    def codes(self):
        return [frame["code"] for frame in self.notices]

    @property
    def seqs(self):
        """Packed positions of what came, None for imported rows."""
        return [
            pack(parse_epoch(frame["epoch"]), frame["seq"]) if "seq" in frame else None
            for frame in self.data
        ]

    @property
    def positions(self):
        return [unpack(seq) for seq in self.seqs]

    @property
    def resume(self):
        """The last frame, as a client names it."""
        frame = self.data[-1]
        return Resume(frame["epoch"], frame["seq"], frame["data"]["timestamp"])

    def _overflow(self):
        self.has_overflown = True


class World:
    """A topic from its feed to its clients."""

    def __init__(self, seed=0, *, ring_bytes=1 << 20, disorder_us=0):
        self.rng = random.Random(seed)
        self.disorder_us = disorder_us
        self.layer = WorldLayer(self)
        self.hub = Hub(
            self.layer,
            catalog("binance"),
            control=self.layer,
            settings=HubSettings(grace_s=1.0, ring_bytes=ring_bytes),
        )
        self.store = MemoryStore(self.rng)
        self.past = Past(self.store)
        self.epoch = 100
        self.number = 0
        self.stored = 0
        self.is_up = True
        self.published = []  # (seq, time_us) of all
        self.buffer = []  # of the recorder
        self._start_s = asyncio.get_running_loop().time()

    def now_us(self):
        passed_s = asyncio.get_running_loop().time() - self._start_s
        return NOW_US + int(passed_s * 1_000_000)

    async def close(self):
        await self.hub.close()

    # The feed

    def publish(self, count=1):
        """Publish records, as one message."""
        records, first = [], self.number + 1
        for _ in range(count):
            self.number += 1
            late_us = self.rng.randint(0, self.disorder_us)
            record = tick(self.number, time_us=self.now_us() - late_us)
            records.append(record)
            seq = pack(self.epoch, self.number)
            self.published.append((seq, record.time_us))
            self.buffer.append((record, seq))
        self.tell(NumberedRecords(self.epoch, first, records, self.stored))

    def flush(self, count=None):
        """Store what waits, or some of it."""
        count = len(self.buffer) if count is None else count
        for record, seq in self.buffer[:count]:
            self.store.add(record, seq)
            epoch, number = unpack(seq)
            if epoch == self.epoch:
                self.stored = number
        del self.buffer[:count]

    def beat(self):
        if "md.beat.binance" in self.layer.listeners and self.is_up:
            self.layer.beat(
                "binance",
                epoch=self.epoch,
                stored={group_name(TICKS): self.stored} if self.stored else {},
            )

    def stop_feed(self):
        """Stop as on SIGTERM: what waits is stored."""
        self.flush()
        self.is_up = False

    def start_feed(self):
        self.is_up = True
        self.epoch += self.rng.choice((1, 1, 40))
        self.number = self.stored = 0

    def answer(self, topic):
        if self.is_up:
            state = TopicState(self.epoch, self.number, self.stored, True, True)
            self.tell(state)

    def tell(self, content):
        if group_name(TICKS) in self.layer.listeners:
            self.layer.tell(TICKS, content)

    def import_rows(self, *times_us):
        for time_us in times_us:
            self.store.add(tick(0, time_us=time_us), 0)

    # What clients are owed

    def owed(self, since):
        """Return the packed positions of what a client lacks, and nothing more."""
        if isinstance(since, Resume):
            last = pack(parse_epoch(since.epoch), since.seq)
            return [seq for seq, _ in self.published if seq > last]
        return [seq for seq, time_us in self.published if time_us >= since * 1_000]

    @property
    def position(self):
        return Position(self.epoch, self.number)

    @property
    def resume(self):
        """What a client has that got everything so far."""
        return Resume(epoch_text(self.epoch), self.number)

    async def run_background(self, *, flush_s=1.0):
        """Flush and beat forever; a row waits for two flushes at most."""
        left = 0
        while True:
            await asyncio.sleep(flush_s)
            if self.is_up:
                newer = len(self.buffer) - min(left, len(self.buffer))
                left = self.rng.randint(0, min(5, newer))
                self.flush(len(self.buffer) - left)
                self.beat()

    async def settle(self, clients, timeout_s=120):
        """Wait until all clients have joined."""
        async with asyncio.timeout(timeout_s):
            while any(client.is_catching_up for client in clients):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.sleep(1.0)
