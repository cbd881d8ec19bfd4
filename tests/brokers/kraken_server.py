"""A WebSocket server in Kraken's place, and the recordings in tests/payloads."""

import json
import time
from pathlib import Path
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

FOLDER = Path(__file__).resolve().parent.parent / "payloads" / "kraken"
PAIRS = [
    *("WAVES/EUR", "XMR/USD", "KSM/XBT", "GRT/ETH", "SC/EUR"),
    *("ETH/CHF", "OCEAN/XBT", "OMG/USD", "XBT/CHF", "ADA/XBT"),
]


def recorded_frames(channel: str = "ticker") -> list[str]:
    """Return the frames that were received of the channel, in order."""
    text = (FOLDER / f"cryptofeed_2021-04-17_ws1_{channel}.raw").read_text()
    return [line.split(": ", 1)[1] for line in text.splitlines() if line[:1].isdigit()]


def ticker_frame(pair: str, bid: float, ask: float) -> str:
    """Return a ticker of a pair."""
    body = {
        "a": [f"{ask:.5f}", 1, "1.50000000"],
        "b": [f"{bid:.5f}", 2, "2.25000000"],
        "c": [f"{bid:.5f}", "0.10000000"],
        "v": ["10.00000000", "20.00000000"],
    }
    return json.dumps([340, body, "ticker", pair])


class KrakenServer:
    """Listens on a free port of 127.0.0.1.

    ``requests`` are (time, request) of all clients, ``unknown`` the pairs that it
    refuses.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[float, Any]] = []
        self.clients: dict[ServerConnection, dict[str, None]] = {}
        self.user_agents: list[str] = []
        self.unknown: set[str] = set()
        self._port = 0
        self._server: Server | None = None

    @property
    def address(self) -> str:
        """The address of its sockets."""
        return f"ws://127.0.0.1:{self._port}"

    def asked(self, event: str) -> list[list[str]]:
        """Return the pairs of each request of the event, in order."""
        return [item["pair"] for _, item in self.requests if item["event"] == event]

    async def start(self) -> None:
        """Listen, again on the same port."""
        self._server = await serve(
            self._serve, "127.0.0.1", self._port, compression=None, close_timeout=1
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close all connections and the port."""
        self._server.close()
        await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    async def send(self, frame: str) -> None:
        """Send a frame to all clients, a ticker only to those that follow its pair."""
        is_array = frame.startswith("[")
        pair = json.loads(frame)[-1] if is_array else None
        for socket, pairs in self.clients.items():
            if pair is None or pair in pairs:
                await socket.send(frame)

    async def _serve(self, socket: ServerConnection) -> None:
        pairs: dict[str, None] = {}
        self.clients[socket] = pairs
        self.user_agents.append(socket.request.headers["User-Agent"])
        await socket.send('{"event":"systemStatus","status":"online"}')
        try:
            async for text in socket:
                request = json.loads(text)
                self.requests.append((time.monotonic(), request))
                for answer in self._answers(request, pairs):
                    await socket.send(json.dumps(answer))
        except ConnectionClosed:
            pass
        finally:
            del self.clients[socket]

    def _answers(
        self, request: dict[str, Any], pairs: dict[str, None]
    ) -> list[dict[str, Any]]:
        if request["event"] == "ping":
            return [{"event": "pong"}]
        answers = []
        for pair in request["pair"]:
            answer = {"event": "subscriptionStatus", "pair": pair}
            if pair in self.unknown:
                answer["status"] = "error"
                answer["errorMessage"] = f"Currency pair not supported {pair}"
            elif request["event"] == "subscribe":
                pairs[pair] = None
                answer["status"] = "subscribed"
            else:
                pairs.pop(pair, None)
                answer["status"] = "unsubscribed"
            answers.append(answer)
        return answers
