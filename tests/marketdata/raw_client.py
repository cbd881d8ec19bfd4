"""A WebSocket client that reads its socket by hand: slowly, or not at all."""

import asyncio
import json
import random
import socket

from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n"
)
RECEIVE_BUFFER = 4096  # so that a reader that rests is soon felt by the server


class RawClient:
    """A connection of which a test reads single bytes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._reader = StreamReader()
        self._parser = None

    @classmethod
    async def connect(cls, host: str, headers: str = "") -> "RawClient":
        """Return a client whose handshake is done; ``host`` has a port."""
        name, port = host.split(":")
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sock.setblocking(False)
        client = cls(sock)
        await client._loop.sock_connect(sock, (name, int(port)))
        request = HANDSHAKE.format(host=host) + headers + "\r\n"
        await client._loop.sock_sendall(sock, request.encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await client._loop.sock_recv(sock, 1)
        assert head.startswith(b"HTTP/1.1 101"), head
        return client

    async def send(self, opcode: Opcode, data: bytes) -> None:
        """Send a frame."""
        await self._loop.sock_sendall(
            self._sock, Frame(opcode, data).serialize(mask=True)
        )

    async def ask(self, **fields: object) -> None:
        """Send a request."""
        await self.send(Opcode.TEXT, json.dumps(fields).encode())

    async def read(self, size: int) -> bool:
        """Read some bytes; False at the end of the connection."""
        try:
            data = await asyncio.wait_for(self._loop.sock_recv(self._sock, size), 60)
        except ConnectionResetError:  # it answers no close frame
            return False
        self._reader.feed_data(data)
        return bool(data)

    def frames(self) -> list[Frame]:
        """Return the frames that have come whole since the last call."""
        frames = []
        while frame := self._next():
            frames.append(frame)
        return frames

    async def answered_frames(self) -> list[Frame]:
        """Return the same; pings among them have been answered."""
        frames = self.frames()
        for frame in frames:
            if frame.opcode is Opcode.PING:
                await self.send(Opcode.PONG, bytes(frame.data))
        return frames

    @property
    def rest(self) -> bytes:
        """What came and is no whole frame."""
        return bytes(self._reader.buffer)

    def close(self) -> None:
        """Give up the connection."""
        self._sock.close()

    def _next(self) -> Frame | None:
        if self._parser is None:
            self._parser = Frame.parse(
                self._reader.read_exact, mask=False, max_size=None
            )
        try:
            next(self._parser)
        except StopIteration as result:
            self._parser = None
            return result.value
        return None


async def read_at_random(client: RawClient, seed: int, rounds: int) -> list[Frame]:
    """Return what came in so many reads of 1 byte to 64 KiB, with rests between."""
    rng = random.Random(seed)
    frames = []
    for _ in range(rounds):
        if not await client.read(int(2 ** rng.uniform(0, 16))):
            break
        frames += await client.answered_frames()
        if rng.random() < 0.1:
            await asyncio.sleep(rng.uniform(0, 0.01))
    return frames


async def read_until(client: RawClient, mark: bytes) -> list[Frame]:
    """Return the frames up to one that contains the mark."""
    frames: list[Frame] = []
    new: list[Frame] = []
    while not any(mark in frame.data for frame in new):
        assert await client.read(2**16)
        new = await client.answered_frames()
        frames += new
    return frames
