"""Clients that lose their connection again and again, as users run the server.

`run_feed simulated` at some hundred records a second and `run_feed binance` on a market
that has fallen silent, both restarted meanwhile; `serve`; clients that cut their
sockets at any moment and come back with `since`. In the end each has what is stored.
"""

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from django.db import connections
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from history.models import Series, Tick, Trade
from marketdata.instruments import load_instruments
from marketdata.models import BrokerSymbol, Instrument
from marketdata.numbering import pack, parse_epoch
from tests.brokers.processes import manage
from tests.brokers.recordings import SYMBOLS, recorded_frames
from tests.brokers.replay_server import ReplayServer
from tests.marketdata.polling import until
from tests.test_live_path import address_of

CLIENTS = 10
DISCONNECTS = 20  # of each, at least
RESTARTS = [("simulated", "binance"), ("simulated",)]
STAY_S = (0.0, 0.6)
AWAY_S = (0.0, 0.2)
BUSY = [("simulated", "EURUSD"), ("simulated", "BTCUSDT")]
RATE = 60  # ticks per second and symbol

Key = tuple[str, str, str]  # type, broker, display symbol


class SoakClient:
    """Keeps what it received of each topic, in order, over all its connections."""

    def __init__(self, url: str, topics: list[Key], seed: int) -> None:
        self.received = defaultdict(list)  # packed positions by topic
        self.notices = []
        self.epochs = set()  # of the simulated feed
        self.disconnects = 0
        self.is_over = False
        self._url = url
        self._topics = topics
        self._random = random.Random(seed)
        self._since = dict.fromkeys(topics, int(time.time() * 1_000) - 60_000)

    async def run(self) -> None:
        """Come and go until it is over, then stay until cancelled."""
        while not self.is_over or self.disconnects < DISCONNECTS:
            async with asyncio.timeout(60):
                socket = await connect(self._url, proxy=None)
            await self._ask(socket)
            try:
                async with asyncio.timeout(self._random.uniform(*STAY_S)):
                    await self._read(socket)
            except TimeoutError:
                socket.transport.abort()
                self.disconnects += 1
            await asyncio.sleep(self._random.uniform(*AWAY_S))
        async with connect(self._url, proxy=None) as socket:
            await self._ask(socket)
            await self._read(socket)

    async def _ask(self, socket) -> None:
        for kind, broker, symbol in self._topics:
            request = {
                "action": "subscribe",
                "symbols": [symbol],
                "broker": broker,
                "types": [kind],
                "since": self._since[kind, broker, symbol],
            }
            await socket.send(json.dumps(request))

    async def _read(self, socket) -> None:
        try:
            while True:
                self._take(json.loads(await socket.recv()))
        except ConnectionClosed as exc:
            pytest.fail(f"closed by the server: {exc}")

    def _take(self, frame) -> None:
        if frame["type"] != "data":
            if frame["type"] == "error" or "code" in frame:
                self.notices.append(frame)
            return
        key = frame["data"]["type"], frame["broker"], frame["symbol"]
        if frame["broker"] == "simulated":
            self.epochs.add(frame["epoch"])
        self.received[key].append(pack(parse_epoch(frame["epoch"]), frame["seq"]))
        self._since[key] = {
            "epoch": frame["epoch"],
            "seq": frame["seq"],
            "timestamp": frame["data"]["timestamp"],
        }


@pytest.mark.django_db(transaction=True)
async def test_two_hundred_disconnects_lose_and_repeat_nothing() -> None:
    quiet = quiet_symbol()
    topics = await asyncio.to_thread(prepare, quiet)
    settings = {
        "CHANNEL_PREFIX": f"soak-{uuid4().hex[:8]}",
        "BINANCE_TRADE_STREAM": "aggTrade",
        "BROKERS_ENABLED": "binance,simulated",
        "SIMULATED_RATE": str(RATE),
        "RING_BYTES": "400000",
    }
    async with ReplayServer() as binance, AsyncExitStack() as stack:
        settings["BINANCE_WS_URL"] = binance.address
        settings["BINANCE_REST_URL"] = ""
        serve = manage("serve", "--host", "127.0.0.1", "--port", "0", **settings)
        web = await stack.enter_async_context(serve)
        feeds = {
            broker: await start_feed(stack, broker, settings)
            for broker in ("simulated", "binance")
        }
        await until(lambda: binance.requests)
        url = await address_of(web)
        clients = [SoakClient(url, topics, seed) for seed in range(CLIENTS)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(client.run()) for client in clients]
            await until(lambda: epochs(clients))
            await binance.play(recorded_frames())
            for restarted in RESTARTS:
                await asyncio.sleep(1.0)
                await stop([feeds[broker] for broker in restarted])
                known, requests = epochs(clients), len(binance.requests)
                for broker in restarted:
                    feeds[broker] = await start_feed(stack, broker, settings)
                await until(lambda known=known: epochs(clients) > known)
                if "binance" in restarted:
                    await until(
                        lambda requests=requests: len(binance.requests) > requests,
                    )
            await asyncio.sleep(1.0)
            for client in clients:
                client.is_over = True
            await until(
                lambda: all(client.disconnects >= DISCONNECTS for client in clients),
            )
            await stop(feeds.values())
            stored = await asyncio.to_thread(stored_seqs, topics)
            await until(lambda: all_there(clients, stored))
            for task in tasks:
                task.cancel()

    check(clients, stored)


async def start_feed(stack, broker, settings):
    return await stack.enter_async_context(manage("run_feed", broker, **settings))


async def stop(feeds):
    """Stop as an operator does; what was published is stored."""
    feeds = list(feeds)
    codes = await asyncio.gather(*(feed.stop() for feed in feeds))
    assert codes == [0] * len(feeds), [feed.log for feed in feeds]


def epochs(clients):
    """Return the epochs of the simulated feed that reached a client."""
    return set().union(*(client.epochs for client in clients))


def all_there(clients, stored):
    """True once each client has as many records as are stored."""
    return all(
        len(client.received[key]) >= len(seqs)
        for client in clients
        for key, seqs in stored.items()
    )


def check(clients, stored) -> None:
    for key, seqs in stored.items():
        assert len(seqs) > 0, key
        for client in clients:
            assert client.received[key] == seqs, (key, client.notices)
    assert sum(client.disconnects for client in clients) >= CLIENTS * DISCONNECTS
    codes = {frame["code"] for client in clients for frame in client.notices}
    # GAP: of a publisher that was away, what its broker sent meanwhile.
    assert codes <= {"FEED_DOWN", "FEED_UP", "GAP", "PARTIAL_HISTORY"}
    # The first request of all asks for more than there is.
    texts = {
        frame["reason"]
        for client in clients
        for frame in client.notices
        if frame["code"] == "PARTIAL_HISTORY"
    }
    assert texts <= {"nothing is stored yet", "nothing older is stored"}
    for key, seqs in stored.items():
        for epoch, count in Counter(seq >> 32 for seq in seqs).items():
            numbers = [seq & 0xFFFFFFFF for seq in seqs if seq >> 32 == epoch]
            assert numbers == list(range(1, count + 1)), (key, epoch)


def quiet_symbol() -> str:
    """Return the recorded symbol with the most quotes."""
    payloads = [json.loads(frame)["data"] for frame in recorded_frames()]
    quotes = Counter(item["s"] for item in payloads if "e" not in item)
    return max(SYMBOLS, key=lambda symbol: quotes[symbol])


def prepare(quiet: str) -> list[Key]:
    """Store the instruments, few of them simulated; return the topics."""
    try:
        load_instruments()
        symbols = {symbol for _, symbol in BUSY} | {quiet}
        others = BrokerSymbol.objects.filter(broker="simulated")
        others.exclude(instrument__symbol__in=symbols).delete()
        rows = Instrument.objects.filter(symbol__in=symbols)
        displays = {row.symbol: row.display for row in rows}
        return [
            *(
                (kind, broker, displays[symbol])
                for broker, symbol in BUSY
                for kind in ("tick", "trade")
            ),
            ("tick", "binance", displays[quiet]),
        ]
    finally:
        connections.close_all()


def stored_seqs(topics: list[Key]) -> dict[Key, list[int]]:
    """Return the positions of all rows of each topic, in order."""
    try:
        symbols = {row.display: row.symbol for row in Instrument.objects.all()}
        found = {}
        for kind, broker, display in topics:
            series = Series.objects.get(
                instrument__symbol=symbols[display], broker=broker
            )
            model = Tick if kind == "tick" else Trade
            rows = model.objects.filter(series_id=series.pk).order_by("seq")
            found[kind, broker, display] = list(rows.values_list("seq", flat=True))
        return found
    finally:
        connections.close_all()
