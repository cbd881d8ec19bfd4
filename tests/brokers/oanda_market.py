"""OANDA with several accounts, each of which sees a price of its own all the time."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

from tests.brokers.oanda_server import OandaServer, OpenStream, Request, price_line

PERIOD_S = 0.02
INSTRUMENTS = ("EUR_USD", "GBP_USD", "BTC_USD")


class Login(NamedTuple):
    """What a request shows: the account in its address, the key in its header."""

    account: str
    key: str


def login_of(request: Request) -> Login:
    """Return what a request shows."""
    account = urlsplit(request.target).path.split("/")[3]
    return Login(
        unquote(account), request.headers["authorization"].removeprefix("Bearer ")
    )


class OandaMarket(OandaServer):
    """Sends the prices of INSTRUMENTS, bids as in ``prices``, to who may see them.

    Those in ``away`` are hung up on without an answer. ``answers`` are what an account
    gets for its next requests, whatever that is.
    """

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.prices: dict[Login, float] = {}
        self.away: set[Login] = set()
        self.answers: dict[Login, list[bytes]] = {}
        self._playing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._loop = asyncio.get_running_loop()
        self._playing = asyncio.create_task(self._play())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._playing.cancel()
        await asyncio.gather(self._playing, return_exceptions=True)
        await super().__aexit__(*error)

    @property
    def logins(self) -> list[Login]:
        """What all requests showed, in their order."""
        return [login_of(item) for item in self.requests]

    def streams_of(self, login: Login) -> list[OpenStream]:
        """Return the open streams of an account."""
        return [item for item in self.open_streams if login_of(item.request) == login]

    def drop(self, login: Login) -> None:
        """Reset all connections of an account; from any thread."""
        for stream in self.streams_of(login):
            self._loop.call_soon_threadsafe(stream.end)

    def say(self, login: Login, line: bytes) -> None:
        """Send a line in all streams of an account; from any thread."""
        for stream in self.streams_of(login):
            sending = stream.send(line + b"\n")
            asyncio.run_coroutine_threadsafe(sending, self._loop).result(5)

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Send what is planned for the account; False if that is nothing."""
        answers = self.answers.get(login_of(request))
        if answers:
            writer.write(answers.pop(0))
            await writer.drain()
            return True
        return False

    def accepts(self, request: Request) -> bool:
        """Return whether the account has a price; who is away gets no answer."""
        login = login_of(request)
        if login in self.away:
            raise ConnectionResetError
        return login in self.prices

    async def _play(self) -> None:
        while True:
            for stream in self.open_streams:
                bid = self.prices.get(login_of(stream.request))
                if bid is not None:
                    lines = [price_line(each, bid, bid + 1e-4) for each in INSTRUMENTS]
                    with contextlib.suppress(ConnectionError):
                        await stream.play(lines)
            await asyncio.sleep(PERIOD_S)


@contextmanager
def market_in_thread() -> Iterator[OandaMarket]:
    """Run a market in a thread of its own: for tests that block, and for several."""
    market, started, loop = OandaMarket(), threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with market:
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(10)
        yield market
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
