"""Book tickers over real sockets, as Binance sends them, from a server that dies."""

import asyncio
import json
import time
from collections import Counter
from typing import Any

import websockets

PACE_S = 0.01


class Upstream:
    """Sends ``rate`` ticks a second in turn over the subscribed ``symbols``.

    A tick's bid is its count in the symbol. ``connections`` has of each connection the
    first and last tick that was sent, by symbol.
    """

    def __init__(self, symbols: list[str], rate: float) -> None:
        self.connections: list[dict[str, tuple[int, int]]] = []
        self.port = 0
        self.is_quiet = False
        self._symbols = set(symbols)
        self._rate = rate / len(symbols)  # of a symbol
        self._counts: Counter[str] = Counter()
        self._server: websockets.Server | None = None
        self._sockets: set[websockets.ServerConnection] = set()

    @property
    def sent(self) -> int:
        """Ticks sent so far."""
        return self._counts.total()

    async def start(self) -> None:
        """Listen, on the same port after a ``kill``."""
        self._server = await websockets.serve(
            self._serve, "127.0.0.1", self.port, compression=None
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def kill(self) -> None:
        """End all connections without a word, and listen no more."""
        assert self._server is not None
        self._server.close(close_connections=False)
        for socket in self._sockets:
            socket.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, socket: websockets.ServerConnection) -> None:
        self._sockets.add(socket)
        streams: dict[str, None] = {}
        sending = asyncio.create_task(self._send_ticks(socket, streams))
        try:
            async for text in socket:
                request = json.loads(text)
                names = {name.partition("@")[0].upper() for name in request["params"]}
                if request["method"] == "SUBSCRIBE":
                    streams |= dict.fromkeys(sorted(names & self._symbols))
                else:
                    for name in names:
                        streams.pop(name, None)
                await socket.send(json.dumps({"result": None, "id": request["id"]}))
        except websockets.ConnectionClosed:
            pass
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            self._sockets.discard(socket)

    async def _send_ticks(self, socket: Any, streams: dict[str, None]) -> None:
        sent: dict[str, tuple[int, int]] = {}
        self.connections.append(sent)
        due, last_s = 0.0, time.monotonic()
        while True:
            await asyncio.sleep(PACE_S)
            now_s = time.monotonic()
            due += self._rate * (now_s - last_s) * len(streams)
            last_s = now_s
            if self.is_quiet:
                due = 0.0
            while due >= 1 and streams:
                symbol = next(iter(streams))
                streams[symbol] = streams.pop(symbol)  # the next one's turn
                due -= 1
                self._counts[symbol] += 1
                count = self._counts[symbol]
                sent[symbol] = sent.get(symbol, (count, 0))[0], count
                await socket.send(_frame(symbol, count), text=True)


def _frame(symbol: str, count: int) -> bytes:
    return (
        f'{{"stream":"{symbol.lower()}@bookTicker","data":{{"u":{count},'
        f'"s":"{symbol}","b":"{count}.00","B":"3.2","a":"{count}.50","A":"0.75"}}}}'
    ).encode()
