"""A server in Binance's place that dies: streams and REST on one port."""

import asyncio
import json
import time
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import websockets
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from benchmarks.chaos_market import TICK, UNSENT, Market

PACE_S = 0.01
TRADES_PER_TICK = 0.05
_SUFFIXES = ("bookTicker", "aggTrade")


class Upstream:
    """Sends ``rate`` ticks a second in turn over the symbols, to who follows them.

    The first ``trading`` symbols have trades. Those go on while nobody is connected,
    and REST has them all; ticks are there for who is.
    """

    def __init__(self, market: Market, rate: float, trading: int) -> None:
        self.port = 0
        self.connections = 0
        self.is_quiet = False
        self._market = market
        self._places = {symbol: n for n, symbol in enumerate(market.symbols)}
        self._trading = trading
        self._rates = rate, rate * TRADES_PER_TICK
        self._server: websockets.Server | None = None
        self._sockets: set[websockets.ServerConnection] = set()
        self._socket: websockets.ServerConnection | None = None
        self._followed: tuple[set[int], set[int]] = (set(), set())
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, on the same port after a ``kill``."""
        self._server = await websockets.serve(
            self._serve,
            "127.0.0.1",
            self.port,
            compression=None,
            process_request=self._answer_rest,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        if self._running is None:
            self._running = asyncio.create_task(self._run())

    async def kill(self) -> None:
        """End all connections without a word, and listen no more."""
        assert self._server is not None
        self._server.close(close_connections=False)
        for socket in self._sockets:
            socket.transport.abort()
        await self._server.wait_closed()

    async def close(self) -> None:
        """End it for good."""
        await self.kill()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def _answer_rest(self, socket: Any, request: Request) -> Response | None:
        address = urlsplit(request.path)
        if not address.path.startswith("/api/"):
            return None
        fields = {name: found[0] for name, found in parse_qs(address.query).items()}
        body = self._market.trades_from(
            fields["symbol"], int(fields["fromId"]), int(fields["limit"])
        )
        headers = Headers({"Content-Length": str(len(body)), "Connection": "close"})
        return Response(HTTPStatus.OK, "OK", headers, body)

    async def _serve(self, socket: websockets.ServerConnection) -> None:
        self._sockets.add(socket)
        followed: tuple[set[int], set[int]] = (set(), set())
        try:
            async for text in socket:
                request = json.loads(text)
                for name in request["params"]:
                    symbol, _, suffix = name.partition("@")
                    places = followed[_SUFFIXES.index(suffix)]
                    place = self._places[symbol.upper()]
                    if request["method"] == "SUBSCRIBE":
                        places.add(place)
                    else:
                        places.discard(place)
                await socket.send(json.dumps({"result": None, "id": request["id"]}))
                if socket is not self._socket:
                    self.connections += 1
                    self._socket, self._followed = socket, followed
        except websockets.ConnectionClosed:
            pass
        finally:
            self._sockets.discard(socket)

    async def _run(self) -> None:
        """Let happen what is due. Never returns."""
        due, turns, last_s = [0.0, 0.0], [0, 0], time.monotonic()
        while True:
            await asyncio.sleep(PACE_S)
            now_s = time.monotonic()
            passed_s, last_s = now_s - last_s, now_s
            # Nothing happens in a market that nobody ever looked at.
            if self.is_quiet or not self.connections:
                continue
            for kind, among in enumerate((len(self._places), self._trading)):
                due[kind] += self._rates[kind] * passed_s
                while due[kind] >= 1:
                    due[kind] -= 1
                    turns[kind] += 1
                    await self._happen(kind, turns[kind] % among)

    async def _happen(self, kind: int, place: int) -> None:
        socket = self._socket if self._socket in self._sockets else None
        is_sent = socket is not None and place in self._followed[kind]
        if not is_sent and kind == TICK:
            return
        add = self._market.tick if kind == TICK else self._market.trade
        connection = self.connections if is_sent else UNSENT
        frame = add(place, connection, time.time_ns() // 1_000)
        if is_sent:
            assert socket is not None
            try:
                await socket.send(frame, text=True)
            except websockets.ConnectionClosed:
                self._sockets.discard(socket)
