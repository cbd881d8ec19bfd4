"""A small broker for tests: a server that speaks lines, and a feed for it.

`LOGIN <account> <token>` is answered by `OK` or `401`; after `FOLLOW EUR_USD,...` come
lines `EUR_USD <bid> <ask>`. The feed is careless with its credentials on purpose.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import structlog

from brokers.exceptions import FeedLost, FeedRefused, InvalidCredentials
from brokers.feed import Emit, FeedCounters, FollowedInstrument
from marketdata.records import Tick

BROKER = "oanda"
PUBLIC = ("public-account", "public-token")
PERIOD_S = 0.02

log = structlog.get_logger(__name__)


class LineBroker:
    """The server; each token has a price of its own, in ``prices``."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.prices: dict[str, float] = {PUBLIC[1]: 1.0}
        self.logins: list[tuple[str, str]] = []
        self.followed: dict[str, list[str]] = {}
        self._open: dict[str, set[asyncio.StreamWriter]] = {}
        self._serving: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for writer in self._serving.values():
            writer.transport.abort()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def connections(self, token: str) -> int:
        """Return how many connections a token has now."""
        return len(self._open.get(token, ()))

    def drop(self, token: str) -> None:
        """Reset all connections of a token."""
        for writer in self._open.get(token, ()):
            writer.transport.abort()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._serving[asyncio.current_task()] = writer
        token, sending = "", None
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := (await reader.readline()).decode().split():
                if line[0] == "LOGIN":
                    self.logins.append((line[1], line[2]))
                    if line[2] not in self.prices:
                        writer.write(b"401\n")
                        break
                    token = line[2]
                    self._open.setdefault(token, set()).add(writer)
                    writer.write(b"OK\n")
                else:
                    names = line[1].split(",") if len(line) > 1 else []
                    self.followed[token] = names
                    if sending is not None:
                        sending.cancel()
                    sending = asyncio.create_task(self._send(writer, token, names))
        if sending is not None:
            sending.cancel()
        self._open.get(token, set()).discard(writer)
        writer.close()
        del self._serving[asyncio.current_task()]

    async def _send(
        self, writer: asyncio.StreamWriter, token: str, names: Sequence[str]
    ) -> None:
        bid = self.prices[token]
        while not writer.is_closing():
            for name in names:
                writer.write(f"{name} {bid:.5f} {bid + 1e-4:.5f}\n".encode())
            await asyncio.sleep(PERIOD_S)


class LineFeed:
    """The feed; see `brokers.feed.Feed`."""

    broker = BROKER
    is_simulated = False

    def __init__(self, port: int, account: str, token: str) -> None:
        self.counters = FeedCounters()
        self._port = port
        self._login = account, token
        self._symbols: dict[str, str] = {}
        self._has_changed = asyncio.Event()

    def follow(self, instruments: Sequence[FollowedInstrument]) -> None:
        self._symbols = {item.broker_symbol: item.symbol for item in instruments}
        self._has_changed.set()

    async def run(self, emit: Emit) -> None:
        log.warning("connecting", login=self._login)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError as exc:
            raise FeedLost(f"cannot connect as {self._login}: {exc}") from exc
        try:
            writer.write("LOGIN {} {}\n".format(*self._login).encode())
            if await reader.readline() == b"401\n":
                raise FeedRefused(401)
            following = asyncio.create_task(self._follow_on(writer))
            try:
                await self._read(reader, emit)
            finally:
                following.cancel()
        except OSError as exc:
            raise FeedLost(f"lost as {self._login}: {exc}") from exc
        finally:
            writer.close()
        if self._login == PUBLIC:
            raise FeedLost("the stream ended")
        raise RuntimeError(f"a defect that shows {self._login}")

    async def _follow_on(self, writer: asyncio.StreamWriter) -> None:
        while True:
            self._has_changed.clear()
            few = self._symbols.keys() & {"EUR_USD", "GBP_USD"}
            names = ",".join(few or self._symbols)
            writer.write(f"FOLLOW {names}\n".encode())
            await self._has_changed.wait()

    async def _read(self, reader: asyncio.StreamReader, emit: Emit) -> None:
        while line := await reader.readline():
            self.counters.received += 1
            name, bid, ask = line.decode().split()
            if name in self._symbols:
                now_us = time.time_ns() // 1_000
                emit(
                    [
                        Tick(
                            broker=BROKER,
                            symbol=self._symbols[name],
                            time_us=now_us,
                            received_us=now_us,
                            bid=float(bid),
                            ask=float(ask),
                        )
                    ]
                )


def private_line_feed(port: int, credentials: Mapping[str, str]) -> Any:
    """Return a client's feed."""
    if not credentials.get("token"):
        raise InvalidCredentials("token not configured")
    account = credentials.get("accountId", "none")
    return LineFeed(port, account, credentials["token"])
