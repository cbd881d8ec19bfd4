"""A feed's run while everything that it stands on is killed."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from django.db import connections

from benchmarks.chaos_account import Account, Found, account
from benchmarks.chaos_upstream import Upstream
from benchmarks.ingest_instruments import SYMBOLS
from history.models import Series, Tick
from marketdata.layer_messages import NumberedRecords, decode_message
from marketdata.layers import MarketDataChannelLayer
from marketdata.numbering import unpack
from marketdata.records import Kind
from marketdata.topics import Topic, group_name
from tests.brokers.processes import Managed, database_url, manage
from tests.cuttable_proxy import CuttableProxy, cuttable
from tests.marketdata.polling import until
from tests.marketdata.private_redis import PrivateRedis, find_program

MAX_AWAY_S = 60.0
# At the end, until nothing has been stored for longer than a lease lasts.
SETTLE_S, QUIET_S = 60.0, 12.0
# When in the run, as a part of its time, and what.
UPSTREAM_KILLS = (0.08, 0.2, 0.35, 0.5, 0.65, 0.9)
DATABASE_CUT, REDIS_KILL, FEED_KILL = 0.3, 0.55, 0.75


Step = tuple[float, str, Callable[[], Awaitable[None]]]
Tell = Callable[[str], None]


class Chaos:
    """One run: what is killed, and what a subscriber heard meanwhile."""

    def __init__(self, upstream: Upstream, redis: PrivateRedis, database: str) -> None:
        self.heard: list[Found] = []
        self._upstream = upstream
        self._redis = redis
        self._prefix = f"chaos-{uuid4().hex[:8]}"
        self._database = database

    async def listen(self) -> MarketDataChannelLayer:
        """Subscribe to all ticks; the layer is to be flushed at the end."""
        layer = MarketDataChannelLayer(hosts=[self._redis.url], prefix=self._prefix)
        for symbol in SYMBOLS:
            topic = Topic(Kind.TICK, "binance", symbol)
            await layer.listen(group_name(topic), self._hear)
        return layer

    def settings(self, journal: Path) -> dict[str, str]:
        """Return the feed's environment."""
        return {
            "BINANCE_WS_URL": f"ws://127.0.0.1:{self._upstream.port}",
            "BINANCE_TYPES": "tick",
            "CHANNEL_PREFIX": self._prefix,
            "DATABASE_URL": self._database,
            "JOURNAL_DIR": str(journal),
            "LOG_LEVEL": "INFO",
            "RECONNECT_MIN_S": "0.2",
            "RECONNECT_MAX_S": "2",
            "RECORDER_MAX_ROWS": "20000",
            "REDIS_URL": self._redis.url,
        }

    def _hear(self, message: object) -> None:
        batch = decode_message(message)  # type: ignore[arg-type]
        if isinstance(batch, NumberedRecords):
            self.heard += [
                Found(record.symbol, batch.epoch, batch.first + n, int(record.bid))
                for n, record in enumerate(batch.records)
            ]


async def run_chaos(duration_s: float, rate: float, tell: Tell) -> tuple[Account, str]:
    """Run it on the database of Django's connection, which has the instruments.

    Returns the account and what the feeds logged.
    """
    upstream, redis = Upstream(SYMBOLS, rate), PrivateRedis(find_program())
    redis.start()
    await upstream.start()
    address = urlsplit(database_url())
    login = address.netloc.rpartition("@")[0]
    try:
        async with cuttable(address.hostname, address.port) as proxy:
            netloc = f"{login}@127.0.0.1:{proxy.port}"
            database = urlunsplit(address._replace(netloc=netloc))
            chaos = Chaos(upstream, redis, database)
            layer = await chaos.listen()
            with TemporaryDirectory() as journal:
                environment = chaos.settings(Path(journal))
                feeds = Feeds(environment)
                steps = _steps(duration_s, upstream, redis, proxy, feeds)
                await _run_steps(steps, duration_s, feeds, tell)
                await _settle(upstream, feeds, tell)
            await layer.flush()
    finally:
        await upstream.kill()
        redis.kill()
    stored = await asyncio.to_thread(_stored)
    return account(upstream.connections, stored, chaos.heard), feeds.log


class Feeds:
    """The feed's process and one that stands by; ``log`` is of those that ended."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.log = ""
        self._environment = environment
        self._running: list[tuple[AbstractAsyncContextManager[Managed], Managed]] = []

    async def start(self) -> None:
        """Start the one, and the other once the first has the lease."""
        await self._start()
        await until(lambda: "feed follows" in self._running[0][1].log, timeout_s=30)
        await self._start()

    async def kill(self) -> None:
        """SIGKILL the active one, and start one that stands by for the other."""
        await self._end(signal.SIGKILL)
        await self._start()

    async def stop(self) -> list[int]:
        """SIGTERM; return the exit codes."""
        return [await self._end(signal.SIGTERM) for _ in range(len(self._running))]

    async def _start(self) -> None:
        context = manage("run_feed", "binance", **self._environment)
        self._running.append((context, await context.__aenter__()))

    async def _end(self, number: int) -> int:
        context, feed = self._running.pop(0)
        code = await feed.stop(number)
        self.log += feed.log
        await context.__aexit__(None, None, None)
        return code


def _steps(
    duration_s: float,
    upstream: Upstream,
    redis: PrivateRedis,
    proxy: CuttableProxy,
    feeds: Feeds,
) -> list[Step]:
    """Return (when in seconds, what it is, how it is done), in order."""

    async def restart_upstream() -> None:
        await upstream.kill()
        await asyncio.sleep(0.5)
        await upstream.start()

    async def restart_redis() -> None:
        await asyncio.to_thread(redis.kill)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(redis.start)

    async def cut() -> None:
        proxy.cut()

    async def restore() -> None:
        proxy.restore()

    away_s = min(duration_s / 10, MAX_AWAY_S)
    steps = [(part, "upstream killed", restart_upstream) for part in UPSTREAM_KILLS]
    steps += [
        (DATABASE_CUT, "database cut off", cut),
        (DATABASE_CUT + away_s / duration_s, "database back", restore),
        (REDIS_KILL, "Redis killed", restart_redis),
        (FEED_KILL, "feed killed", feeds.kill),
    ]
    return [(part * duration_s, name, do) for part, name, do in sorted(steps)]


async def _run_steps(
    steps: list[Step], duration_s: float, feeds: Feeds, tell: Tell
) -> None:
    await feeds.start()
    loop = asyncio.get_running_loop()
    begin_s = loop.time()
    for at_s, name, do in steps:
        await asyncio.sleep(begin_s + at_s - loop.time())
        tell(f"{at_s:6.1f} s  {name}")
        await do()
    await asyncio.sleep(begin_s + duration_s - loop.time())


async def _settle(upstream: Upstream, feeds: Feeds, tell: Tell) -> None:
    """Let what is under way arrive, then stop the feed."""
    upstream.is_quiet = True
    loop = asyncio.get_running_loop()
    rows, changed_s, until_s = -1, loop.time(), loop.time() + SETTLE_S
    while loop.time() < min(changed_s + QUIET_S, until_s):
        await asyncio.sleep(0.5)
        now = await asyncio.to_thread(_count)
        if now != rows:
            rows, changed_s = now, loop.time()
    tell(f"feeds stopped with exit codes {await feeds.stop()}")


def _count() -> int:
    try:
        return Tick.objects.count()
    finally:
        connections.close_all()


def _stored() -> list[Found]:
    try:
        names = dict(Series.objects.values_list("pk", "instrument__symbol"))
        rows = Tick.objects.values_list("series_id", "seq", "bid")
        return [Found(names[key], *unpack(seq), int(bid)) for key, seq, bid in rows]
    finally:
        connections.close_all()
