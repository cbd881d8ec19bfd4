"""Our server as a process of its own, and a client for it."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

ROOT = Path(__file__).resolve().parents[2]
SERVE = ("manage.py", "serve", "--port", "0", "--host", "127.0.0.1")
# For sockets that do nothing by themselves; `%` a host.
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def test_database_url() -> str:
    """Address of the database that the tests use."""
    parts = urlsplit(settings.DATABASE_URL)
    name = settings.DATABASES["default"]["NAME"]
    return urlunsplit(parts._replace(path=f"/{name}"))


test_database_url.__test__ = False


class ServerProcess:
    """A running `manage.py serve`."""

    def __init__(self, process: subprocess.Popen, url: str) -> None:
        self.process = process
        self.url = url

    @property
    def host(self) -> str:
        """Host and port, as a browser would send them."""
        return urlsplit(self.url).netloc


@contextlib.contextmanager
def running_server(prefix: str, **environment: str) -> Iterator[ServerProcess]:
    """Start the server and stop it at the end; values override its settings."""
    process = subprocess.Popen(
        [sys.executable, *SERVE],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        env={
            **os.environ,
            "CHANNEL_PREFIX": prefix,
            "ALLOWED_HOSTS": "127.0.0.1",
            "BROKERS_ENABLED": "binance",
            "FEED_SILENT_S": "600",  # most tests publish without a feed's beats
            **environment,
        },
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on ws://"), line
        yield ServerProcess(process, line.split()[-1])
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


class Client:
    """Sends requests and receives frames, heartbeats left out."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def receive(self, *, timeout_s: float = 60.0) -> dict:
        """Return the next frame that is no heartbeat."""
        while True:
            frame = json.loads(await asyncio.wait_for(self.socket.recv(), timeout_s))
            if frame["type"] != "heartbeat":
                return frame

    async def receive_all(self, *, timeout_s: float = 60.0) -> list[dict]:
        """Return the frames up to the end of the connection."""
        frames = []
        with contextlib.suppress(ConnectionClosed):
            while True:
                frames.append(await self.receive(timeout_s=timeout_s))
        return frames

    async def receive_nothing(self, *, timeout_s: float = 0.3) -> None:
        """Fail if a frame comes that is no heartbeat."""
        with contextlib.suppress(TimeoutError):
            raise AssertionError(await self.receive(timeout_s=timeout_s))

    async def ask(self, **fields: object) -> dict:
        """Send a request and return the next frame that is no data."""
        await self.socket.send(json.dumps(fields))
        while (frame := await self.receive())["type"] == "data":
            pass
        return frame
