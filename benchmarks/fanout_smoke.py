"""Fan-out through the whole live path: publisher -> Redis -> hub -> sockets.

    python -m benchmarks.fanout_smoke [hot] [sparse] [flood]

Starts the server (first core) and a publisher as processes of their own; the clients
live here and count frames without decoding them. Prints deliveries per second, CPU per
delivery of the server and CPU per record of the publisher. Needs REDIS_URL, SECRET_KEY.
"""

import asyncio
import os
import subprocess
import sys
import time
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

# Models can be imported only now.
from marketdata.instruments import bundled_instruments  # noqa: E402
from marketdata.layers import MarketDataChannelLayer  # noqa: E402
from marketdata.publisher import Publisher  # noqa: E402
from marketdata.records import Tick  # noqa: E402

BROKER = "dukascopy"
TURN_S = 0.005  # a feed's socket gives what came since the last wake-up
HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MARK = b'"epoch":"'  # null in a reply
PATIENCE_S = 2.0  # without a frame: then what is missing is lost


class Scenario(NamedTuple):
    """How many follow what, and how much of it comes."""

    clients: int
    symbols: int
    rate: int
    seconds: float


SCENARIOS = {
    "hot": Scenario(clients=1_000, symbols=1, rate=100, seconds=5),
    "sparse": Scenario(clients=1_000, symbols=40, rate=1_000, seconds=5),
    "flood": Scenario(clients=1_000, symbols=1, rate=400, seconds=5),
}


class CountingClient(asyncio.Protocol):
    """A client that subscribes and counts data frames."""

    def __init__(self, host: str, symbol: str) -> None:
        self.frames = 0
        self.is_subscribed = asyncio.get_running_loop().create_future()
        self._host = host
        self._symbol = symbol
        self._tail = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Shake hands."""
        self._transport = transport
        transport.write(HANDSHAKE.format(host=self._host).encode())

    def data_received(self, data: bytes) -> None:
        """Subscribe at the welcome, then count frames, also those of two reads."""
        data = self._tail + data
        self.frames += data.count(MARK)
        self._tail = data[-len(MARK) + 1 :]
        if not self.is_subscribed.done():
            if b"Connected to" in data:
                self._subscribe()
            elif b'"accepted"' in data:
                self.is_subscribed.set_result(None)

    def _subscribe(self) -> None:
        text = f'{{"action":"subscribe","symbols":["{self._symbol}"],"snapshot":false}}'
        # A mask of zeros leaves the payload as it is.
        head = bytes((0x81, 0x80 | len(text))) + bytes(4)
        self._transport.write(head + text.encode())


def symbols(count: int) -> list[str]:
    """Return so many symbols that the broker carries."""
    return [item.symbol for item in bundled_instruments() if BROKER in item.brokers][
        :count
    ]


def tick(number: int, symbol: str, now_us: int) -> Tick:
    """Return a tick like those of a forex broker."""
    return Tick(
        broker=BROKER,
        symbol=symbol,
        time_us=now_us,
        received_us=now_us,
        bid=1.08512 + number % 100 / 1e5,
        ask=1.08523 + number % 100 / 1e5,
        bid_size=1_500_000.0,
        ask_size=750_000.0,
    )


async def publish(scenario: Scenario) -> None:
    """Publish at the scenario's rate, then print CPU us per record."""
    layer = MarketDataChannelLayer(
        hosts=[settings.REDIS_URL], prefix=settings.CHANNEL_PREFIX
    )
    publisher = Publisher(layer, epoch=7)
    names = symbols(scenario.symbols)
    count, total = 0, int(scenario.rate * scenario.seconds)
    start_s, cpu_s = time.monotonic(), time.process_time()
    while count < total:
        due = min(total, int((time.monotonic() - start_s) * scenario.rate) + 1)
        now_us = time.time_ns() // 1_000
        publisher.publish(
            [tick(n, names[n % len(names)], now_us) for n in range(count, due)]
        )
        count = due
        await asyncio.sleep(TURN_S)
    await publisher.drain()
    print((time.process_time() - cpu_s) / total * 1e6, flush=True)
    await layer.flush()


async def measure(name: str, server: subprocess.Popen[str], url: str) -> None:
    """Connect the scenario's clients, have it published, print the figures."""
    scenario = SCENARIOS[name]
    loop, parts = asyncio.get_running_loop(), urlsplit(url)
    names = symbols(scenario.symbols)
    pairs = [
        await loop.create_connection(
            partial(CountingClient, parts.netloc, names[number % len(names)]),
            parts.hostname,
            parts.port,
        )
        for number in range(scenario.clients)
    ]
    clients = [client for _, client in pairs]
    await asyncio.gather(*(client.is_subscribed for client in clients))

    cpu_s, start_s = cpu_seconds(server.pid), time.monotonic()
    publisher = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.fanout_smoke", "publish", name),
        stdout=asyncio.subprocess.PIPE,
    )
    followers = scenario.clients / scenario.symbols
    expected = int(scenario.rate * scenario.seconds * followers)
    delivered, last_s, begun_s = 0, time.monotonic(), start_s
    while delivered < expected and time.monotonic() < last_s + PATIENCE_S + 5:
        await asyncio.sleep(0.01)
        now = sum(client.frames for client in clients)
        begun_s = begun_s if delivered else time.monotonic()
        last_s = time.monotonic() if now > delivered else last_s
        delivered = now
    cpu_s = cpu_seconds(server.pid) - cpu_s
    publisher_us = float((await publisher.communicate())[0])
    print(
        f"{name}: {delivered}/{expected} deliveries, "
        f"{delivered / (last_s - begun_s):,.0f}/s, server "
        f"{cpu_s / max(delivered, 1) * 1e6:.1f} us CPU per delivery, "
        f"publisher {publisher_us:.1f} us per record"
    )
    for transport, _ in pairs:
        transport.abort()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used, user and system."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(names: list[str]) -> None:
    """Run the named scenarios, or all, each against a new server."""
    if names[:1] == ["publish"]:
        asyncio.run(publish(SCENARIOS[names[1]]))
        return
    cores = sorted(os.sched_getaffinity(0))
    os.environ["CHANNEL_PREFIX"] = f"fanout-{os.getpid()}"
    for name in names or SCENARIOS:
        environment = {
            "BROKERS_ENABLED": BROKER,
            "DATABASE_URL": "",
            "ALLOWED_HOSTS": "127.0.0.1",
        }
        server = subprocess.Popen(
            [
                sys.executable,
                "manage.py",
                "serve",
                "--host",
                "127.0.0.1",
                "--port",
                "0",
            ],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        os.sched_setaffinity(server.pid, cores[:1])
        os.sched_setaffinity(0, cores[1:] or cores)
        try:
            url = server.stdout.readline().split()[-1] if server.stdout else ""
            asyncio.run(measure(name, server, url))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
