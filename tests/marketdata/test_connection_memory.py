"""What connections leave behind in our server: nothing for the garbage collector."""

import asyncio
import json
import os
import urllib.request

import pytest
from websockets.asyncio.client import connect

from tests.marketdata.polling import until
from tests.marketdata.server_process import Client
from tests.marketdata.test_serve import is_listening
from tests.marketdata.test_server_command import port, running

__all__ = ["port"]

CLIENTS = 8  # each waits 0.3 s for a feed that is not there
REDIS_CONNECTIONS = 4  # are made for the first client, and stay


async def garbage(port):
    """Return how many objects of which types were garbage, and forget them."""
    url = f"http://127.0.0.1:{port}/garbage"
    return json.loads(
        await asyncio.to_thread(lambda: urllib.request.urlopen(url).read())
    )


async def say_good_bye(connection):
    await connection.close()


async def break_off(connection):
    connection.transport.abort()
    await connection.wait_closed()


async def break_the_protocol(connection):
    """Send a frame that is closed with 1002, and never answer that."""
    connection.transport.write(b"\x83\x80\0\0\0\0")  # no such opcode
    connection.transport.write_eof()
    await connection.wait_closed()


async def visit(url, server, leave):
    """Connect clients that subscribe, and go; returns when the server has noticed."""
    before = descriptors(server)
    connections = [await connect(url, compression=None) for _ in range(CLIENTS)]
    for connection in connections:
        client = Client(connection)
        await client.receive()
        await client.ask(action="subscribe", symbols=["BTCUSDT"])
        await client.ask(action="ping")
    for connection in connections:
        await leave(connection)
    await until(lambda: descriptors(server) <= before + REDIS_CONNECTIONS)


def descriptors(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


@pytest.mark.parametrize("leave", [say_good_bye, break_off, break_the_protocol])
async def test_connections_are_freed_without_the_garbage_collector(port, leave):
    application = "tests.marketdata.garbage_application:application"
    async with running("-p", str(port), application=application) as server:
        await until(lambda: is_listening(port))
        url = f"ws://127.0.0.1:{port}/"
        await visit(url, server, leave)  # what is made once is made now
        await garbage(port)

        await visit(url, server, leave)
        found = await garbage(port)

    # The request for the page itself leaves a few.
    assert sum(found.values()) < 10 * CLIENTS, found
    assert not found.keys() & {"LiveProtocol", "LiveConsumer", "Server", "HTTPChannel"}
