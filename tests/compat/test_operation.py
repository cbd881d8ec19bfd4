"""COMPAT checks 63, 64, 65 and 78: how a server is set up, and what it tells."""

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.compat.channels import Channels
from tests.compat.sockets import client
from tests.marketdata.polling import until
from tests.marketdata.private_redis import PrivateRedis, find_program
from tests.marketdata.server_process import ROOT
from tests.marketdata.serving import Serving, serving

NOWHERE = {"REDIS_HOST": "192.0.2.1", "REDIS_PORT": "1"}


@pytest.fixture
def own_redis() -> Iterator[PrivateRedis]:
    """A Redis that a test may stop."""
    redis = PrivateRedis(find_program())
    redis.start()
    yield redis
    redis.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@asynccontextmanager
async def bare_process(*command: str, **environment: str) -> AsyncIterator[Serving]:
    """Run a command that knows nothing but these settings."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "manage.py", *command),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={
            "PATH": os.environ["PATH"],
            "ENV_FILE": os.devnull,
            "CONFIG_FILE": os.devnull,
            "SECRET_KEY": "for this test",
            **environment,
        },
    )
    running = Serving(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
        await running.wait()


async def test_compat_63_port_and_redis_url_are_what_counts(own_redis):
    port = free_port()
    settings = {"PORT": str(port), "REDIS_URL": own_redis.url, **NOWHERE}
    async with bare_process("serve", **settings) as server:
        await until(lambda: "listening on" in server.log)
        status, body = await get(port, "/readyz")

    assert (status, body["status"]) == (200, "ok")


async def test_compat_64_clients_subscriptions_and_redis_are_logged(own_redis):
    async with serving(REDIS_URL=own_redis.url) as server:
        url = f"ws://{server.host}"
        async with client(url, "/stream") as follower:
            await follower.ask({"method": "SUBSCRIBE", "params": ["trade@X"], "id": 1})
            await until(lambda: has_line(server, "client connected", "path=/stream"))
            await until(
                lambda: has_line(server, "subscriptions changed", "by=1", "now=1")
            )
            own_redis.kill()
            await until(lambda: has_line(server, "channel layer lost Redis"))
            own_redis.start()
            await until(lambda: has_line(server, "channel layer has Redis again"))
        await until(lambda: has_line(server, "client disconnected", "code=1000"))
        await until(lambda: has_line(server, "subscriptions changed", "by=-1", "now=0"))


async def test_compat_65_ready_says_503_while_redis_is_away(own_redis):
    async with serving(REDIS_URL=own_redis.url) as server:
        port = int(server.host.rpartition(":")[2])
        seen = [await get(port, "/readyz"), await get(port, "/healthz")]
        own_redis.kill()
        seen += [await get(port, "/readyz"), await get(port, "/healthz")]

    assert [status for status, _ in seen] == [200, 200, 503, 200]
    assert seen[2][1]["reasons"] == ["redis: no answer"]


async def test_compat_78_redis_url_alone_is_enough(own_redis):
    channels = Channels(own_redis.url)
    settings = {"REDIS_URL": own_redis.url}
    trade = {"symbol": "AAPL", "price": 150.25, "volume": 100, "timestamp": 1}
    async with (
        bare_process("serve", "--port", "0", "--host", "127.0.0.1", **settings) as web,
        bare_process("run_feed", "redis", **settings),
    ):
        await until(lambda: "listening on" in web.log)
        async with client(f"ws://{web.host}", "/gateway") as one:
            await one.json()
            await one.ask({"action": "subscribe", "symbols": ["AAPL"]})
            frame = None
            async with asyncio.timeout(60):
                while frame is None:  # until the feed listens
                    await channels.publish("channel:trade:AAPL", json.dumps(trade))
                    try:
                        frame = await one.json(timeout_s=0.2)
                    except TimeoutError:
                        continue
    await channels.close()

    assert frame["type"] == "trade"
    assert frame["data"] == trade


async def get(port: int, path: str) -> tuple[int, dict]:
    return await asyncio.to_thread(get_now, f"http://127.0.0.1:{port}{path}")


def get_now(url: str) -> tuple[int, dict]:
    try:
        with urlopen(url) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        return error.code, json.loads(error.read())


def has_line(server: Serving, *parts: str) -> bool:
    lines = re.sub(r"\x1b\[\d*m", "", server.log).splitlines()
    return any(all(part in line for part in parts) for line in lines)
