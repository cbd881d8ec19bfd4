"""Clients that read slowly or not at all, on our server's own way to the socket."""

import asyncio
import json
import os
import signal
import time
from uuid import uuid4

import pytest
from django.conf import settings
from websockets.asyncio.client import connect
from websockets.frames import Opcode

from marketdata.layers import MarketDataChannelLayer
from marketdata.publisher import Publisher
from tests.marketdata.polling import until
from tests.marketdata.raw_client import RawClient, read_at_random, read_until
from tests.marketdata.samples import tick
from tests.marketdata.server_process import Client, running_server

PREFIX = f"{settings.CHANNEL_PREFIX}-{uuid4().hex[:8]}"
SUBSCRIBE = {"action": "subscribe", "symbols": ["BTCUSDT"], "snapshot": False}


@pytest.fixture
async def publisher():
    layer = MarketDataChannelLayer(hosts=[settings.REDIS_URL], prefix=PREFIX)
    yield Publisher(layer, epoch=7)
    await layer.flush()


@pytest.fixture
def start():
    """A function that starts a server with settings, for this test."""
    servers = []

    def start(**options):
        context = running_server(PREFIX, DATABASE_URL="", **options)
        servers.append(context)
        return context.__enter__()

    yield start
    for context in servers:
        context.__exit__(None, None, None)


def texts(frames):
    return [json.loads(frame.data) for frame in frames if frame.opcode is Opcode.TEXT]


def descriptors(server) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


async def publish(publisher, count, *, per_turn=20):
    for start in range(0, count, per_turn):
        publisher.publish([tick(n) for n in range(start, start + per_turn)])
        await asyncio.sleep(0.002)
    await publisher.drain()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_all_that_goes_to_a_slow_reader_stays_whole_and_in_order(
    start, publisher, seed
):
    server = start(HEARTBEAT_S="0.5", MAX_QUEUE_BYTES="100000000")
    client = await RawClient.connect(server.host)
    await client.ask(**SUBSCRIBE)
    await read_until(client, b"accepted")
    task = asyncio.create_task(publish(publisher, 3_000))

    frames = []
    for number in range(20):
        await client.ask(action="ping", id=number)
        await client.send(Opcode.PING, b"%d" % number)
        await client.send(Opcode.PONG, b"")
        frames += await read_at_random(client, number + 100 * seed, 10)
        await asyncio.sleep(0.03)  # so that a heartbeat comes between
    await task
    frames += await read_until(client, b'"seq":3000,')
    server.process.send_signal(signal.SIGTERM)
    while await client.read(2**16):
        pass
    frames += client.frames()
    client.close()

    found = texts(frames)
    assert [frame["seq"] for frame in found if "seq" in frame] == list(range(1, 3_001))
    assert [frame["id"] for frame in found if frame["type"] == "pong"] == [*range(20)]
    pongs = [frame.data for frame in frames if frame.opcode is Opcode.PONG]
    assert pongs == [b"%d" % number for number in range(20)]
    assert any(frame["type"] == "heartbeat" for frame in found)
    assert any(frame.opcode is Opcode.PING for frame in frames)
    assert frames[-1].opcode is Opcode.CLOSE
    assert frames[-1].data == b"\x03\xe9Server shutting down"
    assert (found[-1]["code"], client.rest) == ("SHUTDOWN", b"")


async def test_compat_12_client_that_never_reads_is_closed_and_costs_others_nothing(
    start, publisher
):
    server = start(MAX_QUEUE_BYTES="200000")
    quick = Client(await connect(server.url, max_queue=None))
    await quick.receive()
    await quick.ask(**SUBSCRIBE)
    before = descriptors(server)
    stalled = await RawClient.connect(server.host)
    await stalled.ask(**SUBSCRIBE)
    await read_until(stalled, b"accepted")

    numbers = []
    for start_ in range(0, 20_000, 100):
        publisher.publish([tick(n) for n in range(start_, start_ + 100)])
        numbers += [(await quick.receive())["seq"] for _ in range(100)]

    assert numbers == list(range(1, 20_001))
    # The close frame cannot be flushed, so the socket is cut.
    await until(lambda: descriptors(server) == before)
    stalled.close()
    await quick.socket.close()


async def test_client_that_is_too_slow_reads_why_and_then_nothing(start, publisher):
    server = start(MAX_QUEUE_BYTES="100000")
    client = await RawClient.connect(server.host)
    await client.ask(**SUBSCRIBE)
    frames = await read_until(client, b"accepted")

    await publish(publisher, 6_000, per_turn=100)
    while await client.read(2**16):
        frames += client.frames()
    frames += client.frames()
    client.close()

    found = texts(frames)
    numbers = [frame["seq"] for frame in found if "seq" in frame]
    assert numbers == list(range(1, len(numbers) + 1))
    assert 0 < len(numbers) < 6_000
    assert found[-1]["code"] == "TOO_SLOW"
    assert frames[-1].data[:2] == (4002).to_bytes(2, "big")
    assert b"too slow" in frames[-1].data
    assert client.rest == b""


async def test_client_that_closes_and_never_reads_is_cut(start, publisher):
    server = start(MAX_QUEUE_BYTES="10000000")
    before = descriptors(server)
    client = await RawClient.connect(server.host)
    await client.ask(**SUBSCRIBE)
    await read_until(client, b"accepted")
    await publish(publisher, 6_000, per_turn=100)
    during = descriptors(server)

    await client.send(Opcode.CLOSE, b"\x03\xe8")

    await until(lambda: descriptors(server) < during)
    assert descriptors(server) <= before + 4  # Redis is connected by now
    client.close()


async def test_client_that_answers_no_ping_is_closed_with_4003(start):
    server = start(HEARTBEAT_S="0.2")
    client = await RawClient.connect(server.host)
    began = time.monotonic()

    frames = []
    while await client.read(2**16):
        frames += client.frames()
    client.close()

    assert time.monotonic() - began > 0.3
    assert [frame.opcode for frame in frames].count(Opcode.PING) == 1
    assert frames[-1].data[:2] == (4003).to_bytes(2, "big")


async def test_client_that_answers_pings_stays(start):
    server = start(HEARTBEAT_S="0.1")
    async with connect(server.url, ping_interval=None) as connection:
        client = Client(connection)
        await client.receive()

        await asyncio.sleep(1)

        assert (await client.ask(action="ping"))["type"] == "pong"


async def test_conflated_reader_is_never_far_behind(start, publisher):
    server = start(MAX_QUEUE_BYTES="100000")
    client = await RawClient.connect(server.host)
    await client.ask(**SUBSCRIBE, delivery="conflate", conflate_ms=10)
    await read_until(client, b"accepted")
    task = asyncio.create_task(publish(publisher, 20_000, per_turn=20))

    ages, frames = [], []
    while not task.done():
        # A tenth of what the topic would send: 10,000 ticks/s of 290 bytes.
        await client.read(2_900)
        new = client.frames()
        frames += new
        ages += [
            publisher.counters.published - frame["seq"]
            for frame in texts(new)
            if "seq" in frame
        ]
        await asyncio.sleep(0.01)
    client.close()

    found = [frame for frame in texts(frames) if "epoch" in frame]
    assert max(ages) < 10_000
    for before, after in zip(found, found[1:], strict=False):
        assert after["seq"] == before["seq"] + after.get("skipped", 0) + 1
    assert len(found) > 20
