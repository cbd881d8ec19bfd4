"""Clients that see every frame, and one that sees bytes and answers nothing."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n"
)


class Socket:
    """A connected client."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, frame: str | bytes | dict[str, Any]) -> None:
        """Send a frame, an object as JSON."""
        text = json.dumps(frame) if isinstance(frame, dict) else frame
        await self.connection.send(text)

    async def text(self, *, timeout_s: float = 60.0) -> str:
        """Return the next frame's text."""
        return await asyncio.wait_for(self.connection.recv(), timeout_s)

    async def json(self, *, timeout_s: float = 60.0) -> Any:
        """Return the next frame's value."""
        return json.loads(await self.text(timeout_s=timeout_s))

    async def ask(self, frame: str | bytes | dict[str, Any]) -> Any:
        """Send a frame and return the next one's value."""
        await self.send(frame)
        return await self.json()

    async def nothing(self, *, timeout_s: float = 0.3) -> None:
        """Fail if a frame comes within the time."""
        with contextlib.suppress(TimeoutError):
            raise AssertionError(await self.text(timeout_s=timeout_s))

    async def closed(self, *, timeout_s: float = 60.0) -> tuple[int, str, list[str]]:
        """Return close code, reason and the frames that came before it."""
        frames = []
        with contextlib.suppress(ConnectionClosed):
            while True:
                frames.append(await self.text(timeout_s=timeout_s))
        code, reason = self.connection.close_code, self.connection.close_reason
        return code, reason, frames


@asynccontextmanager
async def client(url: str, path: str = "/", **options: Any) -> AsyncIterator[Socket]:
    """Connect to a path of the server."""
    address = url.rstrip("/") + path
    async with connect(address, proxy=None, max_queue=None, **options) as connection:
        yield Socket(connection)


@asynccontextmanager
async def mute_client(url: str, path: str) -> AsyncIterator[asyncio.StreamReader]:
    """Connect without ever answering: neither pings nor the close."""
    host = urlsplit(url).netloc
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    writer.write(HANDSHAKE.format(path=path, host=host).encode())
    await reader.readuntil(b"\r\n\r\n")
    try:
        yield reader
    finally:
        writer.close()


async def read_frame(reader: asyncio.StreamReader) -> tuple[Opcode, bytes]:
    """Return the next frame of the server; control frames too."""
    first, length = await reader.readexactly(2)
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2))
    elif length == 127:
        length = int.from_bytes(await reader.readexactly(8))
    return Opcode(first & 0x0F), await reader.readexactly(length)
