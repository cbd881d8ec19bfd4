"""Broken and hostile clients: right close codes, and nobody else notices.

FUZZ_FRAMES sets how many frames are sent in all; `make fuzz-ws` sends 100,000.
"""

import asyncio
import contextlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from random import Random

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.fanout.processes import running_redis
from benchmarks.fanout.targets import Target, unified
from tests.fuzz.attack import Attack, end_of
from tests.fuzz.malformed_texts import NONSENSE
from tests.fuzz.violations import Violation, violations
from tests.marketdata.polling import until

FRAMES = int(os.environ.get("FUZZ_FRAMES", "5000")) // 2  # with limits, and without
SEED = int(os.environ.get("FUZZ_SEED", "1"))
LIMITS_ON = {"WS_MAX_MALFORMED": "100", "WS_REQUESTS_PER_S": "20"}
LIMITS_OFF = {"WS_MAX_MALFORMED": "0", "WS_REQUESTS_PER_S": "0"}
# Malloc keeps some, and caches are filled once; a leak of 1 KB for each of the
# 100,000 frames of `make fuzz-ws` would be 100 MB.
MAX_GROWTH_MB = 25.0
LOG_LINES_PER_S = 100  # five kinds of events at 20 a second
RATE = 100  # records a second, all of which the bystanders must get
QUIET_S = 0.5
BYSTANDERS = {
    "/": '{"action":"subscribe","symbols":["EURUSD"],"broker":"dukascopy"}',
    "/binance/ws": '{"method":"SUBSCRIBE","params":["eurusd@bookTicker"],"id":1}',
    "/binance/stream": '{"method":"SUBSCRIBE","params":["eurusd@bookTicker"],"id":1}',
}

Start = Callable[..., Target]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """A function that returns a server with settings, and a feed to be told."""
    with ExitStack() as stack:
        redis_port = stack.enter_context(running_redis())
        started: dict[str, Target] = {}

        def start(**settings: str) -> Target:
            key = str(settings)
            if key not in started:
                started[key] = stack.enter_context(unified(redis_port, **settings))
            return started[key]

        yield start


@pytest.mark.parametrize("limits", [LIMITS_ON, LIMITS_OFF], ids=["limits", "no limits"])
async def test_whatever_clients_send_costs_others_nothing(start, limits) -> None:
    server = start(**limits)
    await warm_up(server)
    before_kb, before_log = server.web.rss_kb(), server.web.log_text()
    async with Bystanders(server) as others:
        began = asyncio.get_running_loop().time()
        attack = Attack(server.port, SEED)

        await attack.run(FRAMES)

        seconds = asyncio.get_running_loop().time() - began
        await others.check()
    assert attack.findings == []
    assert attack.texts_of_no_json == 0
    assert {1002, 1007, 1009} <= attack.codes.keys()
    log = server.web.log_text()[len(before_log) :]
    assert "Traceback" not in log
    assert log.count("\n") < LOG_LINES_PER_S * (seconds + 2)
    await until(lambda: growth_mb(server, before_kb) < MAX_GROWTH_MB)


@pytest.mark.parametrize("path", ["/", "/stream", "/gateway"])
@pytest.mark.parametrize(
    "violation",
    [item for item in violations() if item.codes],
    ids=lambda item: item.name,
)
async def test_violation_closes_with_its_code(
    start, path: str, violation: Violation
) -> None:
    server = start(**LIMITS_ON)

    ending = await end_of(server.port, path, violation.make(Random(SEED)))

    assert ending.code in violation.codes
    assert ending.after_close == b""


@pytest.mark.parametrize("path", ["/", "/stream", "/gateway"])
async def test_too_much_nonsense_is_closed_with_4502(start, path: str) -> None:
    server = start(**LIMITS_ON)
    # Over the rate, requests are refused unread; 20 a second are read.
    address = f"ws://127.0.0.1:{server.port}{path}"
    async with connect(address, proxy=None, max_queue=None) as client:
        sent = await send_until_closed(client, "nonsense")

    assert client.close_code == 4502
    assert 100 < sent < 2_000


@pytest.mark.parametrize("path", ["/", "/stream", "/gateway"])
async def test_without_limits_nonsense_is_answered_for_ever(start, path: str) -> None:
    server = start(**LIMITS_OFF)
    address = f"ws://127.0.0.1:{server.port}{path}"
    async with connect(address, proxy=None, max_queue=None) as client:
        for number in range(300):
            await client.send(NONSENSE[number % len(NONSENSE)])
        pong = await client.ping()
        await asyncio.wait_for(pong, 60)

        assert client.close_code is None


async def send_until_closed(client: ClientConnection, frame: str) -> int:
    """Send a frame again and again; return how often."""
    sent = 0
    with contextlib.suppress(ConnectionClosed):
        while sent < 2_000:
            await client.send(frame)
            sent += 1
            await asyncio.sleep(0.01 * (sent > 100))
    return sent


async def warm_up(server: Target) -> None:
    """Have the server allocate once what it keeps."""
    await Attack(server.port, SEED + 1).run(500)
    await asyncio.sleep(QUIET_S)


def growth_mb(server: Target, before_kb: int) -> float:
    return (server.web.rss_kb() - before_kb) / 1024


class Bystanders:
    """Clients of several dialects that follow a feed meanwhile."""

    def __init__(self, server: Target) -> None:
        self._server = server
        self._clients: dict[str, ClientConnection] = {}
        self._numbers: list[int] = []  # of the unified one
        self._received: Counter[str] = Counter()
        self._sent = 0
        self._is_over = False
        self._tasks: list[asyncio.Task] = []

    async def __aenter__(self) -> "Bystanders":
        for path, request in BYSTANDERS.items():
            address = f"ws://127.0.0.1:{self._server.port}{path}"
            client = await connect(address, proxy=None, max_queue=None)
            await client.send(request)
            self._clients[path] = client
            self._tasks.append(asyncio.create_task(self._read(path, client)))
        await asyncio.sleep(QUIET_S)
        self._feeding = asyncio.create_task(self._feed())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_over = True
        await self._feeding
        for client in self._clients.values():
            await client.close()
        await asyncio.gather(*self._tasks)

    async def check(self) -> None:
        """Fail if one was closed, or has missed something."""
        self._is_over = True
        await self._feeding
        want = dict.fromkeys(BYSTANDERS, self._sent)
        await until(lambda: self._received == want)
        first = self._numbers[0]
        assert self._numbers == list(range(first, first + self._sent))
        assert {item.close_code for item in self._clients.values()} == {None}

    async def _feed(self) -> None:
        source = self._server.source
        while not self._is_over:
            source.start(RATE, 1, 0.5)
            await until(lambda: source.sent() is not None)
            self._sent += source.sent()

    async def _read(self, path: str, client: ClientConnection) -> None:
        async for message in client:
            frame = json.loads(message)
            if frame.get("type") == "data" and "phase" not in frame:
                self._numbers.append(frame["seq"])
                self._received[path] += 1
            elif "u" in frame or "stream" in frame:
                self._received[path] += 1
