"""Binance's own client for Python, pointed at us."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.compat.binance_clients import SpotWebsocketStreamClient
from tests.compat.simulated_market import simulated_market
from tests.cuttable_proxy import cuttable
from tests.marketdata.polling import until
from tests.marketdata.server_process import ServerProcess

WAIT_S = 20.0
EVENTS = {"trade": "trade", "kline": "kline", None: "bookTicker"}


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """Our server with BTCUSDT and EURUSD."""
    with simulated_market() as process:
        yield process


class Followed:
    """The client, and what its callbacks were told; they come from its own thread."""

    def __init__(self, address: str, *, is_combined: bool = False) -> None:
        self.payloads: defaultdict[tuple[str, str], list[dict]] = defaultdict(list)
        self.results: list[Any] = []
        self.errors: list[Exception] = []
        self.streams: set[str] = set()
        self.client = SpotWebsocketStreamClient(
            stream_url=address,
            on_message=self._on_message,
            on_error=lambda _, exc: self.errors.append(exc),
            is_combined=is_combined,
        )

    def _on_message(self, _: Any, text: str) -> None:
        frame = json.loads(text)
        if "result" in frame:
            self.results.append(frame)
            return
        if "stream" in frame:
            self.streams.add(frame["stream"])
            frame = frame["data"]
        self.payloads[EVENTS[frame.get("e")], frame["s"]].append(frame)

    def follow_all(self, symbol: str) -> None:
        """Subscribe to the three kinds, in three requests."""
        self.client.trade(symbol=symbol)
        self.client.book_ticker(symbol=symbol)
        self.client.kline(symbol=symbol, interval="1m")

    async def stop(self) -> None:
        """Close as its users do, and the socket that it leaves open."""
        await asyncio.to_thread(self.client.stop)
        self.client.socket_manager.ws.shutdown()

    async def until_all_came(self, symbol: str) -> None:
        """Return when there is something of each kind."""
        await until(
            lambda: all(self.payloads.get((kind, symbol)) for kind in EVENTS.values()),
            timeout_s=WAIT_S,
        )


async def follow(address: str, **options: bool) -> Followed:
    return await asyncio.to_thread(Followed, address, **options)


async def test_raw_streams_of_two_markets_arrive_in_binances_format(server) -> None:
    followed = await follow(f"ws://{server.host}/binance")

    for symbol in ("BTCUSDT", "EURUSD"):
        followed.follow_all(symbol)
        await followed.until_all_came(symbol)
    await followed.stop()

    trade = followed.payloads["trade", "BTCUSDT"][0]
    assert trade.keys() >= {"e", "E", "s", "t", "p", "q", "T", "m"}
    assert isinstance(trade["p"], str)
    quote = followed.payloads["bookTicker", "EURUSD"][0]
    assert float(quote["b"]) < float(quote["a"])
    assert len(quote["b"].partition(".")[2]) == 5  # the decimals of EURUSD
    kline = followed.payloads["kline", "EURUSD"][0]["k"]
    assert (kline["s"], kline["i"]) == ("EURUSD", "1m")
    assert kline["t"] % 60_000 == 0
    assert kline["T"] == kline["t"] + 59_999
    assert float(kline["l"]) <= float(kline["c"]) <= float(kline["h"])
    assert len(followed.results) == 6
    assert followed.errors == []


async def test_combined_streams_name_their_stream(server) -> None:
    followed = await follow(f"ws://{server.host}/binance", is_combined=True)

    followed.follow_all("btcusdt")
    await followed.until_all_came("BTCUSDT")
    await followed.stop()

    assert followed.streams == {
        "btcusdt@trade",
        "btcusdt@bookTicker",
        "btcusdt@kline_1m",
    }


async def test_unsubscribed_stream_ends_and_the_others_go_on(server) -> None:
    followed = await follow(f"ws://{server.host}/binance")
    followed.follow_all("BTCUSDT")
    await followed.until_all_came("BTCUSDT")

    followed.client.unsubscribe("btcusdt@trade", id=77)
    done = {"result": None, "id": 77}
    await until(lambda: done in followed.results, timeout_s=WAIT_S)
    count = len(followed.payloads["trade", "BTCUSDT"])
    quotes = followed.payloads["bookTicker", "BTCUSDT"]
    target = len(quotes) + 40
    await until(lambda: len(quotes) >= target, timeout_s=WAIT_S)
    followed.client.list_subscribe(id=78)
    await until(lambda: followed.results[-1]["id"] == 78, timeout_s=WAIT_S)
    await followed.stop()

    assert len(followed.payloads["trade", "BTCUSDT"]) == count
    assert sorted(followed.results[-1]["result"]) == [
        "btcusdt@bookTicker",
        "btcusdt@kline_1m",
    ]


async def test_client_that_was_cut_off_connects_again(server) -> None:
    host, port = server.host.split(":")
    async with cuttable(host, int(port)) as proxy:
        address = f"ws://127.0.0.1:{proxy.port}/binance"
        first = await follow(address)
        first.follow_all("BTCUSDT")
        await first.until_all_came("BTCUSDT")

        proxy.cut()
        await until(lambda: first.errors, timeout_s=WAIT_S)
        proxy.restore()
        # This client leaves it to its user to come back.
        second = await follow(address)
        second.follow_all("BTCUSDT")
        await second.until_all_came("BTCUSDT")
        await second.stop()
        first.client.socket_manager.ws.shutdown()

    last = first.payloads["trade", "BTCUSDT"][-1]["t"]
    assert second.payloads["trade", "BTCUSDT"][0]["t"] > last
