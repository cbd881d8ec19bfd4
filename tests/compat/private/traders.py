"""Accounts at OANDA, and clients that use them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.brokers.oanda_market import Login
from tests.compat.private.market import Market
from tests.compat.sockets import Socket, client
from tests.marketdata.polling import until

PUBLIC = Login("101-account-of-ours", "key-of-ours-75e1")
OF_FILE = Login("101-account-of-the-file", "key-of-the-file-40f2")
DESK = Login("101-account-of-the-desk", "key-of-the-desk-e07f")
RENEWED = PUBLIC._replace(key="key-of-ours-renewed-1d0c")
ALICE = Login("101-account-of-alice", "token-of-alice-5ac1")
BOB = Login("101-account-of-bob", "key-of-bob-91b2")
NOBODY = Login("101-account-of-nobody", "token-of-nobody-0000")
PRICES = {PUBLIC: 1.0, ALICE: 2.0, BOB: 3.0, DESK: 4.0, RENEWED: 5.0}
A = {
    "token": ALICE.key,
    "accountId": ALICE.account,
    "apiSecret": "secret-of-alice-4711",
    "passphrase": "passphrase-of-alice-0815",
}
B = {"apiKey": BOB.key, "accountId": BOB.account}
WRONG = {"token": NOBODY.key, "accountId": NOBODY.account}


class Trader:
    """A client that sorts what it gets; reads all the time."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.prices: list[float] = []
        self.frames: list[dict[str, Any]] = []
        self.data: list[dict[str, Any]] = []
        self._asked = 0
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            frame = await self.socket.json(timeout_s=60)
            if frame["type"] == "data":
                self.data.append(frame)
                if frame["data"]["type"] == "tick":
                    self.prices.append(frame["data"]["data"]["bid"])
            elif frame["type"] != "heartbeat":
                self.frames.append(frame)

    async def ask(self, **fields: Any) -> dict[str, Any]:
        """Send a request and return its answer, the next with its id."""
        self._asked += 1
        request_id = f"q{self._asked}"
        await self.socket.send({**fields, "id": request_id})
        await until(lambda: self.answers(request_id), timeout_s=20)
        return self.answers(request_id)[0]

    def answers(self, request_id: str) -> list[dict[str, Any]]:
        """Return the answers to a request."""
        return [frame for frame in self.frames if frame.get("id") == request_id]

    async def authenticate(self, credentials: dict[str, str]) -> dict[str, Any]:
        """Ask for a private feed of OANDA."""
        return await self.ask(
            action="authenticate", broker="OANDA", credentials=credentials
        )

    async def follow(self, symbol: str = "EUR/USD", **fields: Any) -> dict[str, Any]:
        """Subscribe to a symbol."""
        return await self.ask(action="subscribe", symbols=[symbol], **fields)

    @property
    def codes(self) -> list[str]:
        """The codes of statuses and errors so far."""
        return [frame["code"] for frame in self.frames if "code" in frame]

    @property
    def states(self) -> list[str]:
        """What was told of the feed's state so far."""
        return [code for code in self.codes if code.startswith("FEED_")]

    @property
    def gaps(self) -> list[dict[str, Any]]:
        """The gaps that were told so far."""
        return [frame for frame in self.frames if frame.get("code") == "GAP"]

    @property
    def candles(self) -> list[dict[str, Any]]:
        """The frames of candles so far."""
        return [item for item in self.data if item["data"]["type"] == "candle"]

    async def gets(self, login: Login, count: int = 3) -> None:
        """Wait until the newest prices are those of an account."""
        seen, price = len(self.prices), PRICES[login]
        await until(
            lambda: self.prices[seen:][-count:] == [price] * count, timeout_s=15
        )


@asynccontextmanager
async def trader(market: Market) -> AsyncIterator[Trader]:
    """Connect a client."""
    async with client(market.url) as connected:
        await connected.json()
        trader = Trader(connected)
        try:
            yield trader
        finally:
            trader.reading.cancel()
