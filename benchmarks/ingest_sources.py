"""Servers in the brokers' places, each in a process of its own, that send all at once.

    python -m benchmarks.ingest_sources <format's name> <frames> <a second, 0: all>

Prints its port; a Redis is published to as soon as a line comes on standard input.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import django
import uvloop
import websockets
from django.conf import settings
from redis.asyncio import Redis

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from benchmarks.ingest_formats import FORMATS, Format  # noqa: E402

PACE_S = 0.001
PART = 500  # lines or messages that are written together
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def playing(
    source: Format, count: int, *, per_s: int = 0
) -> AsyncIterator[tuple[str, asyncio.StreamWriter]]:
    """Give the address of a server of the format, and where to tell it to begin."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.ingest_sources", source.name, str(count), str(per_s)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        yield f"127.0.0.1:{port}", process.stdin
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def serve_frames(data: Sequence[bytes], per_s: int) -> None:
    """Play to each WebSocket client that has asked for something."""

    async def play(socket: websockets.ServerConnection) -> None:
        await socket.recv()
        await socket.send('{"result":null,"id":1}')
        begin_s = time.monotonic()
        for number, frame in enumerate(data):
            if per_s:
                early_s = begin_s + number / per_s - time.monotonic()
                if early_s > PACE_S:
                    await asyncio.sleep(early_s)
            await socket.send(frame, text=True)
        await socket.wait_closed()

    async with websockets.serve(play, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


async def serve_lines(data: Sequence[bytes]) -> None:
    """Play to each HTTP client, a chunk for each line."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD)
        for start in range(0, len(data), PART):
            part = data[start : start + PART]
            writer.write(b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in part))
            await writer.drain()
        await reader.read()

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def publish(data: Sequence[bytes]) -> None:
    """Publish on Redis, each message on its symbol's channel."""
    print(0, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    async with Redis.from_url(settings.REDIS_URL) as client:
        for start in range(0, len(data), PART):
            pipe = client.pipeline(transaction=False)
            for frame in data[start : start + PART]:
                symbol = frame[11 : frame.index(b'"', 11)].decode()
                pipe.publish(f"channel:trade:{symbol}", frame)
            await pipe.execute()


async def _serve(name: str, count: int, per_s: int) -> None:
    source = next(item for item in FORMATS if item.name == name)
    data = source.frames(count)
    if source.server == "redis":
        await publish(data)
    elif source.server == "oanda":
        await serve_lines(data)
    else:
        await serve_frames(data, per_s)


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
