"""Clients that come back, with publisher, recorder, hub, Redis and TimescaleDB."""

import asyncio
import random
import time

import pytest
from django.db import connections

from brokers.hub_link import HubLink, Layers
from history.live_pages import LivePages
from history.models import Tick as TickRow
from history.reader import Plans, Reader
from history.recorder import Recorder
from marketdata.effects import Resume
from marketdata.hub import Hub, HubSettings
from marketdata.numbering import epoch_text, next_epoch, pack
from marketdata.past import Past
from marketdata.publisher import Publisher
from tests.history.storage import make_series
from tests.marketdata.polling import until
from tests.marketdata.resume_world import Client
from tests.marketdata.samples import catalog, tick

JOINS = 120


class LiveFeed:
    """A feed of one topic; restarts lose nothing."""

    is_live = True

    def __init__(self, make_layer):
        self.epoch = next_epoch(0, time.time())
        self.data = make_layer()
        self.control = make_layer("-control")
        self.sent = 0
        self.last = 0

    def is_recorded(self, symbol):
        return True

    async def start(self):
        self.epoch += 1
        self.recorder = Recorder(flush_s=0.3, flush_rows=5_000, max_rows=100_000)
        self.publisher = Publisher(
            self.data, self.epoch, stored_numbers=self.recorder.stored_numbers
        )
        link = HubLink(
            "binance",
            self.publisher,
            Layers(self.data, self.control),
        )
        self.task = asyncio.create_task(link.run(self))

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        assert await self.publisher.drain()
        assert await self.recorder.drain()

    def emit(self, count, late_us=0):
        now_us = time.time_ns() // 1_000
        for number in range(count):
            self.sent += 1
            time_us = now_us + number - late_us
            record = tick(self.sent % 1_000, time_us=time_us, received_us=now_us)
            (position,) = self.publisher.publish([record])
            self.recorder.append(record, self.epoch, position)
            self.last = pack(self.epoch, position)


class LiveSide:
    """A process's hub and what it reads of the past."""

    def __init__(self, make_layer, ring_bytes):
        self.hub = Hub(
            make_layer(),
            catalog("binance"),
            control=make_layer("-control"),
            settings=HubSettings(grace_s=0.2, ring_bytes=ring_bytes),
        )
        self.reader = Reader(max_connections=3, timeout_s=5, plans=Plans.OF_EACH)
        self.past = Past(LivePages(self.reader, max_queries=3))

    def now_us(self):
        return time.time_ns() // 1_000

    async def close(self):
        await self.hub.close()
        await self.reader.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("late_us", [0, 500_000], ids=["in order", "disordered"])
async def test_clients_that_come_back_get_what_is_stored(make_layer, late_us):
    await asyncio.to_thread(prepare)
    rng = random.Random(7)
    feed = LiveFeed(make_layer)
    await feed.start()
    side = LiveSide(make_layer, ring_bytes=200_000)
    clients, resumes = [], [Resume(epoch_text(feed.epoch), 0)]
    try:
        for step in range(JOINS):
            feed.emit(rng.randint(0, 30), rng.randint(0, late_us))
            if step % 40 == 20:
                await feed.stop()
                await feed.start()
            if step % 40 == 35:
                await asyncio.sleep(0.5)
            client = Client(side, rng.choice(resumes[-8:]))
            await client.join()
            clients.append(client)
            if step % 10 == 5:
                await until(lambda: not any(c.is_catching_up for c in clients))
            for gone in rng.sample(clients, len(clients) // 8):
                if gone.data and not gone.is_catching_up:
                    resumes.append(gone.resume)
                    gone.leave()
            await asyncio.sleep(0.02)
        await until(lambda: not any(c.is_catching_up for c in clients))
        last = await settle(feed, clients)
        await feed.stop()
        stored = await asyncio.to_thread(stored_seqs)
    finally:
        for client in clients:
            client.leave()
        await side.close()

    assert len(stored) == feed.sent
    for client in clients:
        check(client, stored, last, is_ordered=not late_us)


def check(client, stored, last, *, is_ordered):
    """What came is the stored set after the start, up to the last that came."""
    start = int(client.since.epoch, 36) << 32 | client.since.seq
    got = client.seqs
    end = max(got, default=start)
    assert sorted(got) == [seq for seq in stored if start < seq <= end]
    assert not {"GAP", "PARTIAL_HISTORY"} & set(client.codes), str(client.notices)
    if is_ordered:
        assert got == sorted(got)
    if not client.outbox.is_closed:
        assert end == max(start, last)


async def settle(feed, clients):
    """Publish a last record and wait until all have it; return its position."""
    feed.emit(1)
    last = feed.last
    there = [client for client in clients if not client.outbox.is_closed]
    await until(lambda: all(client.seqs[-1:] == [last] for client in there))
    return last


def prepare():
    try:
        make_series("BTCUSDT", "binance")
    finally:
        connections.close_all()


def stored_seqs():
    try:
        return sorted(TickRow.objects.values_list("seq", flat=True))
    finally:
        connections.close_all()
