"""`manage.py serve` as a process: how it starts, ends, and does without."""

import asyncio
import os
import signal
import socket
import sys
import time
from uuid import uuid4

import pytest
from django.conf import settings
from websockets.asyncio.client import connect

from marketdata.layers import MarketDataChannelLayer
from marketdata.publisher import Publisher
from tests.marketdata.polling import STALL_S, until
from tests.marketdata.samples import tick
from tests.marketdata.server_process import (
    HANDSHAKE,
    ROOT,
    SERVE,
    Client,
    running_server,
)

PREFIX = f"{settings.CHANNEL_PREFIX}-{uuid4().hex[:8]}"


async def test_sigterm_closes_clients_with_1001_and_ends_with_0():
    with running_server(PREFIX, DATABASE_URL="") as server:
        client = Client(await connect(server.url))
        await client.receive()

        server.process.send_signal(signal.SIGTERM)
        frame = await client.receive()

        assert frame["code"] == "SHUTDOWN"
        assert 0 <= frame["reconnect_after_ms"] <= 10_000
        await client.receive_all()
        assert client.socket.close_code == 1001
        assert await asyncio.to_thread(server.process.wait, 60) == 0


async def test_shutdown_notices_are_spread_over_many_clients():
    count = 400
    with running_server(PREFIX, DATABASE_URL="") as server:
        sockets = [await connect(server.url) for _ in range(count)]
        clients = [Client(socket) for socket in sockets]
        await asyncio.gather(*(client.receive() for client in clients))

        began_s = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        told = await asyncio.gather(*(told_at(client) for client in clients))
        status = await asyncio.to_thread(server.process.wait, 60)

    at_s = sorted(at_s - began_s for at_s, _ in told)
    waits_ms = {wait_ms for _, wait_ms in told}
    assert status == 0
    assert {socket.close_code for socket in sockets} == {1001}
    # 1,000 a second, 2 s at most.
    assert 0.3 < at_s[-1] - at_s[0] < 2.0 + STALL_S
    # Nor do they come back together.
    assert min(waits_ms) < 1_000
    assert max(waits_ms) > 9_000
    assert len(waits_ms) > count / 2


async def told_at(client: Client) -> tuple[float, int]:
    """Return when the client was told of the shutdown, and when to come back."""
    notice, at_s = await client.receive(timeout_s=60), time.monotonic()
    assert notice["code"] == "SHUTDOWN"
    assert await client.receive_all() == []
    return at_s, notice["reconnect_after_ms"]


async def test_second_signal_ends_at_once():
    with running_server(PREFIX, DATABASE_URL="") as server:
        host, port = server.host.split(":")
        reader, writer = await asyncio.open_connection(host, port)
        # A client that never answers the close frame would delay the end.
        writer.write(HANDSHAKE % server.host.encode())
        await reader.readuntil(b"Connected to Market Data Server")

        server.process.send_signal(signal.SIGTERM)
        await reader.readuntil(b"SHUTDOWN")
        server.process.send_signal(signal.SIGTERM)

        assert await asyncio.to_thread(server.process.wait, 60) == 128 + signal.SIGTERM
        writer.close()


async def test_without_database_it_streams_and_records_nothing():
    with running_server(PREFIX, DATABASE_URL="") as server:
        client = Client(await connect(server.url))
        await client.receive()

        reply = await client.ask(action="subscribe", symbols=["BTCUSDT"])
        await client.socket.close()

    assert reply["accepted"][0]["broker"] == "binance"
    assert reply["accepted"][0]["recorded"] is False


@pytest.fixture
async def stock_daphne():
    """The application under Daphne's own command; its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "daphne", "-p", str(port), "config.asgi:application",
        cwd=ROOT, stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, "CHANNEL_PREFIX": PREFIX, "DATABASE_URL": "",
             "BROKERS_ENABLED": "binance"},
    )  # fmt: skip
    await until(lambda: is_listening(port))
    yield port
    process.terminate()
    await process.wait()


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


async def test_stock_daphne_serves_the_same_application(stock_daphne):
    layer = MarketDataChannelLayer(hosts=[settings.REDIS_URL], prefix=PREFIX)
    publisher = Publisher(layer, epoch=7)
    async with connect(f"ws://127.0.0.1:{stock_daphne}/") as connection:
        client = Client(connection)
        await client.receive()
        await client.ask(action="subscribe", symbols=["BTCUSDT"])

        publisher.publish([tick(n) for n in range(100)])

        numbers = [(await client.receive())["seq"] for _ in range(100)]
    assert numbers == list(range(1, 101))
    await publisher.drain()
    await layer.flush()


async def test_stock_daphne_closes_after_an_oversized_frame(stock_daphne):
    async with connect(f"ws://127.0.0.1:{stock_daphne}/") as connection:
        client = Client(connection)
        await client.receive()

        await connection.send("x" * (settings.MAX_FRAME_BYTES + 1))

        frames = await client.receive_all()
    assert [frame["code"] for frame in frames] == ["INVALID_MESSAGE"]
    assert connection.close_code == 4000


async def test_port_that_is_taken_ends_with_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = await asyncio.create_subprocess_exec(
            sys.executable, *SERVE, "--port", port,
            cwd=ROOT, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, errors = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 1
    assert f"cannot listen on port {port} (PORT)" in errors.decode()
