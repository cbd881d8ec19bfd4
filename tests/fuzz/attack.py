"""Sends what `malformed_texts` and `violations` make, over many connections."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from benchmarks.fanout.streams import next_frame
from tests.fuzz.malformed_texts import PATHS, malformed
from tests.fuzz.violations import CLOSE, TEXT, Violation, frame, violations

AT_ONCE = 150  # a subscription to what nobody publishes takes 0.3 s
ANSWER_S = 20.0
MAX_FRAMES = 24  # of a connection, well below every limit
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n"
)


class Ending(NamedTuple):
    """How a connection ended: the close frame's code, None without one, and texts."""

    code: int | None
    texts: Sequence[bytes]
    after_close: bytes


class Finding(NamedTuple):
    """A connection that did not end as it had to."""

    path: str
    violation: str
    sent: bytes
    code: int | None


class Attack:
    """A bounded number of frames, the same for the same seed."""

    def __init__(self, port: int, seed: int) -> None:
        self.findings: list[Finding] = []
        self.frames = 0
        self.codes: Counter[int | None] = Counter()
        self.texts_of_no_json = 0
        self._port = port
        self._random = Random(seed)

    async def run(self, frames: int) -> None:
        """Send about so many frames."""
        slots = asyncio.Semaphore(AT_ONCE)
        kinds = violations()
        async with asyncio.TaskGroup() as group:
            while self.frames < frames:
                await slots.acquire()
                random = Random(self._random.random())
                path, violation = random.choice([*PATHS]), random.choice(kinds)
                texts = [
                    malformed(path, random)
                    for _ in range(random.randrange(MAX_FRAMES + 1))
                ]
                self.frames += len(texts) + 1
                last = violation.make(random)
                task = group.create_task(
                    self._attack(path, b"".join(texts), violation, last)
                )
                task.add_done_callback(lambda _: slots.release())

    async def _attack(
        self, path: str, sent: bytes, violation: Violation, last: bytes
    ) -> None:
        hangs_up = not violation.codes
        ending = await end_of(self._port, path, sent + last, hangs_up=hangs_up)
        self.codes[ending.code] += 1
        for text in ending.texts:
            try:
                json.loads(text)
            except ValueError:
                self.texts_of_no_json += 1
        is_wrong = violation.codes and ending.code not in violation.codes
        if is_wrong or ending.after_close:
            found = Finding(path, violation.name, sent + last, ending.code)
            self.findings.append(found)


async def end_of(
    port: int, path: str, sent: bytes, *, hangs_up: bool = False
) -> Ending:
    """Connect, send, and read to the end; who hangs up leaves in the middle of it.

    Raises:
        TimeoutError: the server neither closed nor cut the connection.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(HANDSHAKE.format(path=path).encode())
        async with asyncio.timeout(ANSWER_S):
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                raise ConnectionError(head.decode("latin1"))
            writer.write(sent)
            if hangs_up:
                await writer.drain()
                return Ending(None, [], b"")
            return await _read_to_end(reader, writer)
    finally:
        writer.transport.abort()


class _Reader:
    """Takes the server's frames apart as they come."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.code: int | None = None
        self.rest = b""

    def feed(self, data: bytes) -> None:
        self.rest += data
        while self.code is None and (found := next_frame(self.rest, 0)):
            payload = self.rest[found.payload : found.end]
            self.rest = self.rest[found.end :]
            if found.opcode == TEXT:
                self.texts.append(payload)
            elif found.opcode == CLOSE:
                self.code = int.from_bytes(payload[:2]) if payload else 1005


async def _read_to_end(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Ending:
    found, has_answered = _Reader(), False
    try:
        while chunk := await reader.read(1 << 16):
            found.feed(chunk)
            if found.code is not None and not has_answered:
                has_answered = True
                writer.write(frame(CLOSE, (1000).to_bytes(2)))
    except ConnectionResetError:  # it had not read all that we sent
        pass
    after_close = found.rest if found.code is not None else b""
    return Ending(found.code, found.texts, after_close)
