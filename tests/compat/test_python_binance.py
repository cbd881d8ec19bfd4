"""python-binance, which most programs for Binance are written with, pointed at us."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.compat.binance_clients import (
    AsyncClient,
    BinanceSocketManager,
    ReconnectingWebsocket,
)
from tests.compat.simulated_market import simulated_market
from tests.cuttable_proxy import cuttable
from tests.marketdata.server_process import ServerProcess

WAIT_S = 20.0
Payloads = dict[tuple[str, str], list[dict]]
# It would ask for these by REST, which we do not emulate.
MARKETS = {"BTCUSDT": 2, "EURUSD": 5}  # decimals


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """Our server with BTCUSDT and EURUSD."""
    with simulated_market() as process:
        yield process


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    """The client; its `create` would begin with REST."""
    client = AsyncClient()
    yield client
    await client.close_connection()


def manager_at(client: AsyncClient, host: str) -> BinanceSocketManager:
    manager = BinanceSocketManager(client, max_queue_size=1_000)
    manager.STREAM_URL = f"ws://{host}/binance/"
    manager.ws_kwargs = {"proxy": None}
    return manager


async def read(socket: ReconnectingWebsocket, wanted: set[tuple[str, str]]) -> Payloads:
    """Return what came until there was something of all that is wanted."""
    payloads: Payloads = defaultdict(list)
    async with asyncio.timeout(WAIT_S):
        while wanted - payloads.keys():
            frame = await socket.recv()
            payload = frame.get("data", frame)
            if "s" in payload:
                kind = payload.get("e", "bookTicker")
                payloads[kind, payload["s"]].append(payload)
    return payloads


async def test_sockets_of_one_stream_each_give_its_payloads(server, client) -> None:
    manager = manager_at(client, server.host)
    for symbol, decimals in MARKETS.items():
        async with manager.trade_socket(symbol) as socket:
            trade = (await read(socket, {("trade", symbol)}))["trade", symbol][0]
        async with manager.symbol_book_ticker_socket(symbol) as socket:
            found = await read(socket, {("bookTicker", symbol)})
            quote = found["bookTicker", symbol][0]
        async with manager.kline_socket(symbol, interval="1m") as socket:
            kline = (await read(socket, {("kline", symbol)}))["kline", symbol][0]["k"]

        texts = [trade["p"], quote["b"], quote["a"], kline["o"], kline["c"]]
        assert {len(text.partition(".")[2]) for text in texts} == {decimals}
        assert float(quote["b"]) < float(quote["a"])
        assert (kline["i"], kline["T"] - kline["t"]) == ("1m", 59_999)


async def test_multiplexed_socket_gives_all_streams(server, client) -> None:
    names = [
        f"{symbol.lower()}@{kind}"
        for symbol in MARKETS
        for kind in ("trade", "bookTicker", "kline_1m")
    ]

    async with manager_at(client, server.host).multiplex_socket(names) as socket:
        seen = set()
        async with asyncio.timeout(WAIT_S):
            while seen != set(names):
                seen.add((await socket.recv())["stream"])


async def test_unsubscribed_stream_ends_and_the_other_goes_on(server, client) -> None:
    manager = manager_at(client, server.host)
    names = ["btcusdt@trade", "btcusdt@bookTicker"]
    async with manager.multiplex_socket(names) as socket:
        await read(socket, {("trade", "BTCUSDT"), ("bookTicker", "BTCUSDT")})

        await socket.ws.send(
            json.dumps({"method": "UNSUBSCRIBE", "params": names[:1], "id": 5})
        )
        async with asyncio.timeout(WAIT_S):
            while (await socket.recv()).get("id") != 5:
                pass
            after = [await socket.recv() for _ in range(40)]

    assert {frame["stream"] for frame in after} == {"btcusdt@bookTicker"}


async def test_client_that_was_cut_off_connects_again_by_itself(server, client) -> None:
    host, port = server.host.split(":")
    async with cuttable(host, int(port)) as proxy:
        manager = manager_at(client, f"127.0.0.1:{proxy.port}")
        async with manager.multiplex_socket(["btcusdt@trade"]) as socket:
            before = (await read(socket, {("trade", "BTCUSDT")}))["trade", "BTCUSDT"]
            proxy.cut()
            async with asyncio.timeout(WAIT_S):
                while (await socket.recv()).get("e") != "error":
                    pass
            proxy.restore()
            after = (await read(socket, {("trade", "BTCUSDT")}))["trade", "BTCUSDT"]

        assert proxy.connections == 2
    assert after[0]["t"] > before[-1]["t"]
