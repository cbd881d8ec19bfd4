"""The whole live path from outside: our process, real Redis, real sockets."""

import asyncio
import json
import time
import urllib.request
from uuid import uuid4

import pytest
from django.conf import settings
from redis.asyncio import Redis
from websockets.asyncio.client import connect

from marketdata.instruments import load_instruments
from marketdata.layers import MarketDataChannelLayer
from marketdata.models import Broker, Instrument
from marketdata.publisher import Publisher
from tests.marketdata.samples import TRADE, tick
from tests.marketdata.server_process import (
    HANDSHAKE,
    Client,
    running_server,
    test_database_url,
)

# Makes pytest-django create the database that the processes use.
pytestmark = pytest.mark.django_db

PREFIX = f"{settings.CHANNEL_PREFIX}-{uuid4().hex[:8]}"
TICKS = f"{PREFIX}__group__md.tick.binance.BTCUSDT"
SETTINGS = {
    "HEARTBEAT_S": "2",
    "GROUP_GRACE_S": "0.3",
    "ALLOWED_ORIGINS": "https://desk.example",
}


@pytest.fixture(scope="module")
def server(django_db_setup, django_db_blocker):
    """Our server, with the instruments of a new installation."""
    with django_db_blocker.unblock():
        load_instruments()
        try:
            with running_server(
                PREFIX, DATABASE_URL=test_database_url(), **SETTINGS
            ) as process:
                yield process
        finally:
            Instrument.objects.all().delete()
            Broker.objects.all().delete()


@pytest.fixture
async def open_client(server):
    """A function that connects clients; the welcome has been received."""
    connections = []

    async def open_client(path: str = "", **options: object) -> Client:
        connection = await connect(server.url + path, **{"max_queue": None} | options)
        connections.append(connection)
        client = Client(connection)
        assert (await client.receive())["type"] == "status"
        return client

    yield open_client
    for connection in connections:
        await connection.close()


@pytest.fixture
async def publisher():
    """Publishes to the server; each test is a later epoch."""
    layer = MarketDataChannelLayer(hosts=[settings.REDIS_URL], prefix=PREFIX)
    publisher.epoch += 1
    yield Publisher(layer, publisher.epoch)
    await layer.flush()


publisher.epoch = 100


@pytest.fixture
async def redis():
    client = Redis.from_url(settings.REDIS_URL)
    yield client
    await client.aclose()


async def subscribers(redis: Redis) -> int:
    ((_, count),) = await redis.pubsub_numsub(TICKS)
    return count


async def test_welcome_is_exactly_one_frame(server):
    async with connect(server.url) as connection:
        client = Client(connection)

        welcome = await client.receive()

        assert welcome["message"] == "Connected to Market Data Server"
        assert welcome["limits"]["frame_bytes"] == 102_400
        await client.receive_nothing()


@pytest.mark.parametrize("path", ["", "ws", "ws/", "any/where?x=1"])
async def test_any_path_speaks_unified(open_client, path):
    client = await open_client(path)

    assert (await client.ask(action="ping", id=1))["type"] == "pong"


async def test_two_thousand_ticks_arrive_in_order_at_two_clients(
    open_client, publisher
):
    one, other = await open_client(), await open_client()
    for client in (one, other):
        reply = await client.ask(
            action="subscribe", symbols=["btc/usdt"], snapshot=False
        )
        assert reply["accepted"][0]["broker"] == "binance"

    for start in range(0, 2_000, 20):
        publisher.publish([tick(n) for n in range(start, start + 20)])
        await asyncio.sleep(0.001)
    await publisher.drain()

    for client in (one, other):
        frames = [await client.receive() for _ in range(2_000)]
        assert [frame["seq"] for frame in frames] == list(range(1, 2_001))
        assert {frame["symbol"] for frame in frames} == {"BTC/USDT"}
        assert frames[-1]["data"]["data"]["bid"] == 42_019.99


async def test_types_are_told_apart(open_client, publisher):
    client = await open_client()
    await client.ask(action="subscribe", symbols=["BTCUSDT"], types=["trade"])

    publisher.publish([tick(0), TRADE])

    assert (await client.receive())["data"]["type"] == "trade"
    await client.receive_nothing()


async def test_later_subscriber_gets_position_and_snapshot(open_client, publisher):
    one, other = await open_client(), await open_client()
    await one.ask(action="subscribe", symbols=["BTCUSDT"])
    publisher.publish([tick(0), tick(1)])
    await until_seq(one, 2)

    await other.socket.send('{"action":"subscribe","symbols":["BTCUSDT"]}')
    reply, snapshot = await other.receive(), await other.receive()
    publisher.publish([tick(2)])

    assert reply["accepted"][0]["seq"] == 2
    assert (snapshot["seq"], snapshot["phase"]) == (2, "snapshot")
    live = await other.receive()
    assert (live["seq"], "phase" in live) == (3, False)
    assert live["epoch"] == reply["accepted"][0]["epoch"]


async def until_seq(client: Client, seq: int) -> None:
    while (await client.receive()).get("seq") != seq:
        pass


async def test_reply_snapshot_and_data_join_without_a_seam(open_client, publisher):
    async def publish():
        while True:
            publisher.publish([tick(0)])
            await asyncio.sleep(0.0005)

    first = await open_client()
    await first.ask(action="subscribe", symbols=["BTCUSDT"], snapshot=False)
    task = asyncio.create_task(publish())
    await first.receive()

    for _ in range(20):
        client = await open_client()
        await client.socket.send('{"action":"subscribe","symbols":["BTCUSDT"]}')
        reply, *frames = [await client.receive() for _ in range(5)]
        await client.socket.close()

        seq = reply["accepted"][0]["seq"]
        assert [frame["seq"] for frame in frames] == list(range(seq, seq + 4))
        assert [frame.get("phase") for frame in frames] == ["snapshot", *[None] * 3]
    task.cancel()


async def test_unsubscribe_stops_data_of_that_client_only(open_client, publisher):
    one, other = await open_client(), await open_client()
    for client in (one, other):
        await client.ask(action="subscribe", symbols=["BTCUSDT"], snapshot=False)

    reply = await one.ask(action="unsubscribe", symbols=["BTC_USDT"])
    publisher.publish([tick(0)])

    assert reply["message"] == "Unsubscribed from 1 topic"
    assert (await other.receive())["seq"] == 1
    await one.receive_nothing()


async def test_group_is_joined_once_and_left_after_the_grace(open_client, redis):
    one, other = await open_client(), await open_client()
    for client in (one, other):
        await client.ask(action="subscribe", symbols=["BTCUSDT"])
    assert await subscribers(redis) == 1

    one.socket.transport.abort()
    await other.socket.close()

    deadline = time.monotonic() + 60
    while await subscribers(redis):
        assert time.monotonic() < deadline


MALFORMED = [
    "nope",
    "null",
    "[]",
    "5",
    "{}",
    '{"action":"zap"}',
    '{"action":"subscribe","symbols":"EURUSD"}',
    '{"action":"subscribe"}',
    '{"action":"subscribe","symbols":["FOO"]}',
    '{"action":"ping","id":{}}',
    "[" * 10_240,
    '{"action":"subscribe","symbols":' + "[" * 5_000 + "]" * 5_000 + "}",
    b"\x00\x01",
    b"",
    "",
]


async def test_malformed_frames_are_answered_and_the_connection_lives(open_client):
    client = await open_client()

    for frame in MALFORMED:
        await client.socket.send(frame)
        answer = await client.receive()
        assert answer["type"] == "error", frame
        assert answer["code"], frame
        assert answer["message"], frame

    assert (await client.ask(action="ping"))["type"] == "pong"


async def test_invalid_utf8_closes_with_1007(open_client):
    client = await open_client()

    await client.socket.send(b"\xff\xfe", text=True)

    await client.receive_all()

    assert client.socket.close_code == 1007


@pytest.mark.parametrize("size", [102_401, 600_000, 2_000_000])
async def test_frame_over_the_limit_closes_with_1009(open_client, size):
    client = await open_client()

    await client.socket.send("x" * size)

    await client.receive_all()

    assert client.socket.close_code == 1009


async def test_fragmented_message_over_the_limit_closes_with_1009(open_client):
    client = await open_client()

    await client.socket.send(["x" * 30_000] * 4)

    await client.receive_all()

    assert client.socket.close_code == 1009


async def test_frame_at_the_limit_is_read(open_client):
    client = await open_client()

    frame = await client.ask(action="ping", pad="x" * (102_400 - 35))

    assert frame["type"] == "pong"


@pytest.mark.parametrize("origin", [None, "https://desk.example", "own"])
async def test_allowed_origins_connect(open_client, server, origin):
    origin = f"http://{server.host}" if origin == "own" else origin

    client = await open_client(origin=origin)

    assert (await client.ask(action="ping"))["type"] == "pong"


async def test_other_origin_is_closed_with_4506(server):
    async with connect(server.url, origin="https://evil.example") as connection:
        client = Client(connection)

        assert (await client.receive())["code"] == "FORBIDDEN"
        await client.receive_all()
        assert client.socket.close_code == 4506


async def test_websocket_ping_comes_by_itself(server):
    host, port = server.host.split(":")
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(HANDSHAKE % server.host.encode())

    await asyncio.wait_for(reader.readuntil(b"\x89\x00"), 60)

    writer.close()


async def test_heartbeat_comes_by_itself(server):
    async with connect(server.url, ping_interval=None) as connection:
        await connection.recv()
        heartbeat = json.loads(await asyncio.wait_for(connection.recv(), 60))

    assert heartbeat["type"] == "heartbeat"
    assert (heartbeat["sent"], heartbeat["queued_bytes"]) == (1, 0)
    assert set(heartbeat) == {"type", "timestamp", "sent", "queued_bytes", "skipped"}


def open_sockets(host: str) -> int:
    with urllib.request.urlopen(f"http://{host}/metrics") as answer:
        return json.load(answer)["connections"]


async def test_reader_that_is_too_slow_is_closed_with_4002_and_others_go_on(
    open_client, publisher, server
):
    slow = await open_client(max_queue=1, compression=None)
    quick = await open_client(max_queue=None)
    for client in (slow, quick):
        await client.ask(action="subscribe", symbols=["BTCUSDT"], snapshot=False)

    numbers: list[int] = []
    while await asyncio.to_thread(open_sockets, server.host) == 2:
        assert len(numbers) < 100_000
        publisher.publish([tick(n) for n in range(500)])
        numbers += [(await quick.receive())["seq"] for _ in range(500)]

    *_, last = await slow.receive_all()  # soon, for the server waits some seconds only
    assert numbers == list(range(1, len(numbers) + 1))
    assert last["code"] == "TOO_SLOW"
    assert slow.socket.close_code == 4002


async def test_http_is_served_beside(server):
    request = urllib.request.Request(f"http://{server.host}/admin/login/")

    body = await asyncio.to_thread(lambda: urllib.request.urlopen(request).read())

    assert b"<html" in body
