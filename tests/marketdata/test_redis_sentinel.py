"""Redis found through a Sentinel, by the address that the settings take."""

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from marketdata.layers import MarketDataChannelLayer
from marketdata.redis_address import layer_host
from marketdata.redis_pipe import close_pool, redis_client
from tests.marketdata.polling import until
from tests.marketdata.private_redis import PrivateRedis, find_program


@pytest.fixture
def master() -> Iterator[PrivateRedis]:
    """A Redis of the test's own."""
    server = PrivateRedis(find_program())
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def address(master: PrivateRedis, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a Sentinel that watches the master as `prices`."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    watched = master.url.removeprefix("redis://").removesuffix("/0").replace(":", " ")
    config = tmp_path / "sentinel.conf"
    config.write_text(f"port {port}\nsentinel monitor prices {watched} 1\n")
    program = find_program()
    process = await asyncio.create_subprocess_exec(
        program, str(config), "--sentinel", stdout=subprocess.DEVNULL
    )
    async with asyncio.timeout(60), Redis(port=port) as client:
        while True:
            with contextlib.suppress(RedisError, OSError):
                if await client.ping():
                    break
            await asyncio.sleep(0.02)
    yield f"redis+sentinel://127.0.0.1:{port}/prices"
    process.kill()
    await process.wait()


async def test_layer_finds_the_master_and_finds_it_again(
    address: str, master: PrivateRedis
) -> None:
    layer = MarketDataChannelLayer(hosts=[layer_host(address)], prefix="sentinel")
    got: list[dict[str, object]] = []
    await layer.listen("a", got.append)
    await layer.group_send_many([("a", {"type": "t", "n": 1})])
    await until(lambda: got)

    master.kill()
    master.start()
    async with asyncio.timeout(60):
        while got[-1]["n"] != 2:
            with contextlib.suppress(RedisError, OSError):
                await layer.group_send_many([("a", {"type": "t", "n": 2})])
            await asyncio.sleep(0.02)
    await layer.flush()


async def test_client_asks_the_master(address: str, master: PrivateRedis) -> None:
    client = redis_client(address)
    await client.set("a", "1")
    await close_pool(client.connection_pool)

    async with Redis.from_url(master.url) as direct:
        assert await direct.get("a") == b"1"
