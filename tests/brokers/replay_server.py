"""A WebSocket server that speaks Binance's protocol and plays frames.

By hand: `python -m tests.brokers.replay_server <recording> [--port N] [--paced]`, then
`BINANCE_WS_URL=ws://127.0.0.1:N manage.py run_feed binance`; it plays the recording
once for each connection, after the first SUBSCRIBE.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.brokers.recordings import read_recording

_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS")


class Client:
    """One connection: whether frames are wrapped for it, and what it follows."""

    def __init__(self, socket: ServerConnection) -> None:
        address = urlsplit(socket.request.path)
        self.socket = socket
        self.is_combined = address.path == "/stream"
        named = parse_qs(address.query).get("streams", [""])[0].split("/")
        if address.path.startswith("/ws/"):
            named = [address.path.removeprefix("/ws/")]
        self.streams = dict.fromkeys(name for name in named if name)

    async def play(self, frame: str, *, to_all: bool) -> None:
        """Send a recorded combined frame if the client follows its stream."""
        message = json.loads(frame)
        if not to_all and message["stream"] not in self.streams:
            return
        if not self.is_combined:
            frame = json.dumps(message["data"], separators=(",", ":"))
        await self.socket.send(frame)

    def answer(self, text: str) -> dict[str, Any]:
        """Do what a request asks and return the reply."""
        try:
            request = json.loads(text)
        except ValueError as exc:
            return {"error": {"code": 3, "msg": f"Invalid JSON: {exc}"}}
        method, number = request.get("method"), request.get("id")
        params = request.get("params", [])
        if method not in _METHODS:
            text = f"Invalid request: unknown variant `{method}`"
            return {"error": {"code": 2, "msg": text}, "id": number}
        if not isinstance(params, list):
            text = "Invalid request: streams must be an array"
            return {"error": {"code": 2, "msg": text}, "id": number}
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": list(self.streams), "id": number}
        for name in params:
            if method == "SUBSCRIBE":
                self.streams[name] = None
            else:
                self.streams.pop(name, None)
        return {"result": None, "id": number}


class ReplayServer:
    """Listens on a free port of 127.0.0.1 unless told another one.

    ``requests`` are (time, request) of all clients, ``refusals`` the HTTP statuses and
    headers for the next handshakes, ``on_subscribe`` is called after each SUBSCRIBE.

    On the same port it answers REST: ``answers`` makes what a path says of a request's
    fields, None if that is nothing Binance knows; ``rest_refusals`` are as refusals,
    ``asked`` are (path, fields). Answers wait until ``may_answer`` is set.
    """

    def __init__(self, port: int = 0) -> None:
        self.clients: list[Client] = []
        self.connections = 0
        self.requests: list[tuple[float, Any]] = []
        self.refusals: list[tuple[int, dict[str, str]]] = []
        self.on_subscribe: Callable[[Client], None] = lambda client: None
        self.is_answering = True
        self.answers: dict[str, Callable[[dict[str, str]], Any]] = {}
        self.rest_refusals: list[tuple[int, dict[str, str]]] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._port = port
        self._server: Server | None = None

    @property
    def address(self) -> str:
        """The base address, without a path."""
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def rest_address(self) -> str:
        """The base address of REST."""
        return self.address.replace("ws:", "http:")

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            self._port,
            process_request=self._admit,
            compression=None,
            close_timeout=1,
        )
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def play(self, frames: Iterable[str], *, to_all: bool = False) -> None:
        """Send frames as fast as the clients take them; those that leave miss them."""
        for frame in frames:
            for client in list(self.clients):
                with suppress(ConnectionClosed):
                    await client.play(frame, to_all=to_all)

    def followed(self, suffix: str) -> int:
        """Return how many streams whose names end so some client follows."""
        return sum(
            name.endswith(suffix) for client in self.clients for name in client.streams
        )

    async def send(self, text: str | bytes) -> None:
        """Send a text to all clients as it is; those that leave miss it."""
        for client in list(self.clients):
            with suppress(ConnectionClosed):
                await client.socket.send(text, text=True)

    async def drop(self) -> None:
        """Close all connections."""
        for client in list(self.clients):
            await client.socket.close(1001, "dropped")

    def _answer(self, socket: ServerConnection, path: str, query: str) -> Response:
        fields = {name: values[0] for name, values in parse_qs(query).items()}
        self.asked.append((path, fields))
        if self.rest_refusals:
            status, headers = self.rest_refusals.pop(0)
            response = socket.respond(HTTPStatus(status), "refused\n")
            response.headers.update(headers)
            return response
        body = self.answers.get(path, lambda fields: None)(fields)
        status = HTTPStatus.OK
        if body is None:
            body = {"code": -1121, "msg": "Invalid symbol."}
            status = HTTPStatus.BAD_REQUEST
        return socket.respond(status, json.dumps(body))

    async def _admit(
        self, socket: ServerConnection, request: Request
    ) -> Response | None:
        address = urlsplit(request.path)
        if address.path.startswith("/api/"):
            await self.may_answer.wait()
            return self._answer(socket, address.path, address.query)
        self.connections += 1
        if not self.refusals:
            return None
        status, headers = self.refusals.pop(0)
        response = socket.respond(HTTPStatus(status), "refused\n")
        response.headers.update(headers)
        return response

    async def _serve(self, socket: ServerConnection) -> None:
        client = Client(socket)
        self.clients.append(client)
        try:
            async for text in socket:
                reply = client.answer(text)
                self.requests.append((time.monotonic(), json.loads(text)))
                if self.is_answering:
                    await socket.send(json.dumps(reply, separators=(",", ":")))
                if '"SUBSCRIBE"' in text:
                    self.on_subscribe(client)
        except ConnectionClosed:
            pass
        finally:
            self.clients.remove(client)


async def _play_recording(client: Client, path: Path, *, paced: bool) -> None:
    recording = read_recording(path)
    begin_s, first_s = time.monotonic(), recording[0][0]
    for time_s, frame in recording:
        if paced:
            wait_s = begin_s + time_s - first_s - time.monotonic()
            await asyncio.sleep(max(0.0, wait_s))
        await client.play(frame, to_all=False)


async def _main(path: Path, port: int, *, paced: bool) -> None:
    async with ReplayServer(port) as server, asyncio.TaskGroup() as group:
        seen: set[Client] = set()

        def begin(client: Client) -> None:
            if client not in seen:
                seen.add(client)
                group.create_task(_play_recording(client, path, paced=paced))

        server.on_subscribe = begin
        print(f"replay server at {server.address}", flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--paced", action="store_true", help="as recorded")
    options = parser.parse_args()
    asyncio.run(_main(options.recording, options.port, paced=options.paced))
