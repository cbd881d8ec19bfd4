"""Where a secret could have been left: Redis, the database, processes, metrics."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import psycopg
from redis.asyncio import Redis

from tests.compat.private.market import Market
from tests.marketdata.polling import until

_BYTEA = re.compile(r"\\+x([0-9a-f]+)")


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[list[bytes]]:
    """Collect every command that Redis gets, and what is published in it."""
    heard: list[bytes] = []

    async def monitor() -> None:
        host, port = urlsplit(url).hostname, urlsplit(url).port
        reader, writer = await asyncio.open_connection(host, port, limit=2**24)
        writer.write(b"MONITOR\r\n")
        try:
            while line := await reader.readline():
                heard.append(line)
        finally:
            writer.close()

    async def subscribe() -> None:
        async with Redis.from_url(url) as redis, redis.pubsub() as pubsub:
            await pubsub.psubscribe("*")
            async for message in pubsub.listen():
                if isinstance(message["data"], bytes):
                    heard.append(message["data"])

    tasks = [asyncio.create_task(monitor()), asyncio.create_task(subscribe())]
    try:
        await until(lambda: heard)
        yield heard
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def redis_texts(url: str) -> list[bytes]:
    """Return all keys with their values, and the channels that are listened to."""
    found: list[bytes] = []
    async with Redis.from_url(url) as redis:
        # Else `DUMP` would compress what is to be found.
        await redis.config_set("rdbcompression", "no")
        async for key in redis.scan_iter():
            found += [key, await redis.dump(key) or b""]
        found += await redis.pubsub_channels()
    return found


def process_texts(pid: int) -> tuple[str, str]:
    """Return what `ps` shows of a process and its threads, and its environment."""
    folder = Path(f"/proc/{pid}")
    names = [path.read_bytes() for path in folder.glob("task/*/comm")]
    shown = b"\n".join([(folder / "cmdline").read_bytes(), *names])
    environment = (folder / "environ").read_bytes()
    return shown.decode(errors="replace"), environment.decode(errors="replace")


def database_text(url: str) -> str:
    """Return all rows of all tables as text, bytes decoded."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) "
            "FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        texts = [
            row
            for (name,) in tables
            for (row,) in connection.execute(f"SELECT t::text FROM {name} t")
        ]
    text = "\n".join(texts)
    decoded = [
        bytes.fromhex(found[: len(found) // 2 * 2]).decode(errors="replace")
        for found in _BYTEA.findall(text)
    ]
    return "\n".join([text, *decoded])


def stored_bids(url: str) -> set[float]:
    """Return the bids of all stored ticks."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT DISTINCT bid FROM ticks").fetchall()
    return {bid for (bid,) in rows}


def metric_texts(market: Market) -> str:
    """Return what the server tells of itself."""
    base = market.url.replace("ws://", "http://").rstrip("/")
    paths = ("/metrics", "/metrics/prometheus", "/health", "/api/brokers")
    return "".join(urlopen(base + path).read().decode() for path in paths)
