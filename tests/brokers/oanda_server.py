"""An HTTP server in the place of OANDA's streams, and the lines in tests/payloads.

Plain asyncio, so that tests decide where chunks end and what a bad answer looks like.
"""

import asyncio
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import msgspec

FOLDER = Path(__file__).resolve().parent.parent / "payloads" / "oanda"
ACCOUNT = "101-004-7654321-001"
KEY = "planted-key-9f31"


def shape_lines() -> list[bytes]:
    """Return the made-up lines: sorted badly, not tradeable, one-sided and so on."""
    return (FOLDER / "shapes.jsonl").read_bytes().splitlines()


def recorded_lines() -> list[bytes]:
    """Return all recorded lines of streams."""
    lines = [
        line
        for name in ("dseevr_stream_2016-12-20", "hootnot_stream_2017-03-09")
        for line in (FOLDER / f"{name}.jsonl").read_bytes().splitlines()
    ]
    rest = json.loads((FOLDER / "hootnot_pricing_responses.json").read_text())
    return lines + [
        json.dumps(item).encode()
        for item in rest["_v3_accounts_accountID_pricing_stream"]["response"]
    ]


def price_line(
    instrument: str, bid: float, ask: float, *, time_s: float | None = None
) -> bytes:
    """Return a price of now, or of a time."""
    at_s = time.time() if time_s is None else time_s
    return json.dumps(
        {
            "type": "PRICE",
            "time": f"{at_s:.9f}",
            "bids": [{"price": str(bid), "liquidity": 1_000_000}],
            "asks": [{"price": str(ask), "liquidity": 2_000_000}],
            "status": "tradeable",
            "tradeable": True,
            "instrument": instrument,
        }
    ).encode()


class Request(msgspec.Struct):
    """A request as it came; header names are in lower case."""

    time_s: float
    method: str
    target: str
    headers: dict[str, str]


def asked_for(request: Request) -> list[str]:
    """Return the instruments that a request names, in its order."""
    return parse_qs(urlsplit(request.target).query)["instruments"][0].split(",")


class OpenStream:
    """A client's stream; ``instruments`` is what it asked for, in its order."""

    def __init__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self.instruments = asked_for(request)
        self.is_open = True
        self._writer = writer

    async def send(self, data: bytes, *, chunk_bytes: int = 1 << 20) -> None:
        """Send bytes in chunks of a size, each of them by itself."""
        for start in range(0, len(data), chunk_bytes):
            part = data[start : start + chunk_bytes]
            self._writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await self._writer.drain()

    async def play(self, lines: Iterable[bytes], *, chunk_bytes: int = 1 << 20) -> None:
        """Send lines, of prices only those of its instruments."""
        await self.send(b"".join(self._of_mine(lines)), chunk_bytes=chunk_bytes)

    def end(self) -> None:
        """Drop the connection in the middle of the answer."""
        self._writer.transport.abort()

    async def finish(self) -> None:
        """End the answer as a server does that has no more."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    def _of_mine(self, lines: Iterable[bytes]) -> Iterable[bytes]:
        for line in lines:
            instrument = json.loads(line).get("instrument")
            if instrument is None or instrument in self.instruments:
                yield line + b"\n"


class OandaServer:
    """Listens on 127.0.0.1, ``port`` 0: a free one; who has KEY is let in.

    ``refusals`` are (status, headers) for the next requests; ``beat_s`` seconds lie
    between heartbeats, 0 for none; ``snapshot`` are lines that each stream begins with;
    a request that names one of ``unknown`` is answered by HTTP 400. Answers wait until
    ``may_answer`` is set.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.requests: list[Request] = []
        self.streams: list[OpenStream] = []
        self.refusals: list[tuple[int, dict[str, str]]] = []
        self.snapshot: list[bytes] = []
        self.unknown: set[str] = set()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.beat_s = 0.05
        self.most_open = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def address(self) -> str:
        """The base address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_streams(self) -> list[OpenStream]:
        """The streams that clients have not closed."""
        return [item for item in self.streams if item.is_open]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def play(self, lines: Iterable[bytes]) -> None:
        """Send lines to all streams, to each those of its instruments."""
        lines = list(lines)
        for stream in self.open_streams:
            await stream.play(lines)

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer in some other way and return True; False, and it is answered here."""
        return False

    def accepts(self, request: Request) -> bool:
        """Return whether the request shows a key that opens its account."""
        return request.headers.get("authorization") == f"Bearer {KEY}"

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            request = await _read_request(reader)
            self.requests.append(request)
            await self.may_answer.wait()
            if await self.answer(request, writer):
                pass
            elif self.refusals:
                await _refuse(writer, *self.refusals.pop(0))
            elif not self.accepts(request):
                await _refuse(writer, 401, {})
            elif self.unknown.intersection(asked_for(request)):
                await _refuse(writer, 400, {})
            else:
                await self._stream(request, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _stream(
        self,
        request: Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        stream = OpenStream(request, writer)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        self.streams.append(stream)
        self.most_open = max(self.most_open, len(self.open_streams))
        try:
            await stream.play(self.snapshot)
            beats = asyncio.create_task(self._beat(stream))
            try:
                await reader.read()  # until the client closes
            finally:
                beats.cancel()
                await asyncio.gather(beats, return_exceptions=True)
        finally:
            stream.is_open = False

    async def _beat(self, stream: OpenStream) -> None:
        while self.beat_s:
            await stream.send(b'{"type":"HEARTBEAT","time":"%d.0"}\n' % time.time())
            await asyncio.sleep(self.beat_s)


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *rest = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    pairs = [line.split(": ", 1) for line in rest]
    headers = {name.lower(): value for name, value in pairs}
    return Request(time.monotonic(), method, target, headers)


async def _refuse(
    writer: asyncio.StreamWriter, status: int, headers: dict[str, str]
) -> None:
    body = b'{"errorMessage":"Insufficient authorization to perform request."}'
    headers = {"Content-Length": str(len(body)), **headers}
    lines = [f"HTTP/1.1 {status} Refused", *(f"{k}: {v}" for k, v in headers.items())]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    await writer.drain()
