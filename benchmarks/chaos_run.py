"""The chaos itself, on the services of the environment: `benchmarks.chaos` runs it."""

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import django
import numpy as np
import uvloop
from django.conf import settings
from django.core.management import call_command
from django.db import connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from benchmarks.chaos_account import Account, StoredGap, account  # noqa: E402
from benchmarks.chaos_clients import make_clients  # noqa: E402
from benchmarks.chaos_coverage import count_hidden  # noqa: E402
from benchmarks.chaos_feeds import Feeds  # noqa: E402
from benchmarks.chaos_market import Market  # noqa: E402
from benchmarks.chaos_services import OwnServices  # noqa: E402
from benchmarks.chaos_store import (  # noqa: E402
    journal_bytes,
    select_counts,
    select_gaps,
    select_stored,
)
from benchmarks.chaos_upstream import Upstream  # noqa: E402
from benchmarks.ingest_instruments import SYMBOLS, make_instruments  # noqa: E402
from tests.brokers.processes import manage  # noqa: E402
from tests.marketdata.polling import until  # noqa: E402

MAX_AWAY_S = 60.0
# When in the run, as a part of its time, and what.
UPSTREAM_KILLS = (0.05, 0.15, 0.25, 0.45, 0.6, 0.92)
DATABASE_KILL, REDIS_KILL, FEED_KILL = 0.2, 0.52, 0.7
# At the end: until all is stored, and nothing was for a while.
SETTLE_S, QUIET_S = 180.0, 2.5
JOURNAL_LOOK_S = 0.1

Step = tuple[float, str, Callable[[], Awaitable[None]]]


class Chaos:
    """One run on a database that has the instruments."""

    def __init__(self, duration_s: float, rate: float, trading: int) -> None:
        self.market = Market(SYMBOLS)
        self.clients = make_clients(SYMBOLS, trading)
        self.most_journal_bytes = 0
        self.exit_codes: list[int] = []  # of the feeds that were not killed
        self.uncovered = 0  # gaps that `/api/coverage` does not show
        self._duration_s = duration_s
        self._upstream = Upstream(self.market, rate, trading)
        self._services = OwnServices()
        self._feeds = Feeds(self._environment())

    @property
    def log(self) -> str:
        """What the feeds said."""
        return self._feeds.log

    async def run(self) -> set[StoredGap]:
        """Run all of it and return the gaps that are stored."""
        await self._upstream.start()
        # Only now its port is known.
        self._feeds = Feeds(self._environment())
        options = ("--host", "127.0.0.1", "--port", "0")
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._upstream.close)
            web = await stack.enter_async_context(
                manage("serve", *options, **self._environment())
            )
            await until(lambda: "listening on" in web.log, timeout_s=60)
            found = re.search(r"ws://\S+", web.log)
            assert found is not None
            for client in self.clients:
                await client.start(found[0])
            watch = asyncio.create_task(self._watch_journal())
            await self._run_steps()
            await self._settle()
            watch.cancel()
            gaps = await asyncio.to_thread(select_gaps, SYMBOLS)
            port = urlsplit(found[0]).port
            self.uncovered = await asyncio.to_thread(count_hidden, port, gaps)
            self.exit_codes = await self._feeds.stop()
            for client in self.clients:
                await client.stop()
        return gaps

    def _environment(self) -> dict[str, str]:
        return {
            "ALLOWED_HOSTS": "127.0.0.1",
            "BINANCE_REST_URL": f"http://127.0.0.1:{self._upstream.port}",
            "BINANCE_TRADE_STREAM": "aggTrade",
            "BINANCE_TYPES": "tick,trade",
            "BINANCE_WS_URL": f"ws://127.0.0.1:{self._upstream.port}",
            "BROKERS_ENABLED": "binance",
            "JOURNAL_DIR": settings.JOURNAL_DIR,
            "LEASE_EXPIRY_S": str(min(10.0, self._duration_s / 10)),
            "LOG_LEVEL": "INFO",
            # Clients share our process with the upstream: they may be slow at times.
            "MAX_QUEUE_BYTES": str(16 << 20),
            "MAX_SUBSCRIPTIONS": "500",
            "RECONNECT_MAX_S": "2",
            "RECONNECT_MIN_S": "0.2",
            "RECORDER_MAX_ROWS": "20000",
        }

    def _steps(self) -> list[Step]:
        """Return (when in seconds, what it is, how it is done), in order."""
        duration_s, services = self._duration_s, self._services
        away_s = min(duration_s / 10, MAX_AWAY_S)

        async def restart_upstream() -> None:
            await self._upstream.kill()
            await asyncio.sleep(0.5)
            await self._upstream.start()

        def blocking(do: Callable[[], None]) -> Callable[[], Awaitable[None]]:
            return lambda: asyncio.to_thread(do)

        kill, start = services.kill_postgres, services.start_postgres
        steps: list[Step] = [
            (part * duration_s, "upstream killed", restart_upstream)
            for part in UPSTREAM_KILLS
        ]
        killed_s = DATABASE_KILL * duration_s
        steps += [
            (killed_s, "PostgreSQL killed", blocking(kill)),
            (killed_s + away_s, "PostgreSQL started", blocking(start)),
            (
                REDIS_KILL * duration_s,
                "Redis killed and started",
                blocking(services.restart_redis),
            ),
            (FEED_KILL * duration_s, "feed killed", self._feeds.kill),
        ]
        return sorted(steps, key=lambda step: step[0])

    async def _run_steps(self) -> None:
        await self._feeds.start()
        await until(lambda: self.market.events, timeout_s=30)
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        for at_s, name, do in self._steps():
            await asyncio.sleep(begin_s + at_s - loop.time())
            print(f"{loop.time() - begin_s:6.1f} s  {name}", flush=True)
            await do()
        await asyncio.sleep(begin_s + self._duration_s - loop.time())

    async def _settle(self) -> None:
        """Let nothing more happen, and what did be stored."""
        self._upstream.is_quiet = True
        loop = asyncio.get_running_loop()
        begin_s = changed_s = loop.time()
        before = (-1, -1)
        while loop.time() - begin_s < SETTLE_S:
            await asyncio.sleep(0.25)
            counts = await asyncio.to_thread(select_counts)
            if counts != before:
                before, changed_s = counts, loop.time()
            is_quiet = loop.time() - changed_s > QUIET_S
            if is_quiet and counts[1] >= self.market.trades:
                return

    async def _watch_journal(self) -> None:
        folder = Path(settings.JOURNAL_DIR, "binance")
        while True:
            found = await asyncio.to_thread(journal_bytes, folder)
            self.most_journal_bytes = max(self.most_journal_bytes, found)
            await asyncio.sleep(JOURNAL_LOOK_S)


def tell(chaos: Chaos, found: Account, lies: Sequence[str]) -> None:
    """Print the account."""
    for name, count in found._asdict().items():
        print(f"{name.replace('_', ' '):<20}{count:>12,}")
    print(f"{'gaps not in REST':<20}{chaos.uncovered:>12,}")
    print(f"{'journal at most':<20}{chaos.most_journal_bytes / 1e6:>12,.1f} MB")
    print(f"{'exit codes of feeds':<20}{chaos.exit_codes!s:>12}")
    for number, client in enumerate(chaos.clients, 1):
        heard = client.heard
        print(
            f"client {number}: {heard.frames:,} frames, {len(heard.epochs)} epochs, "
            f"{len(heard.gaps):,} gaps, {heard.downs} FEED_DOWN, {heard.ups} FEED_UP, "
            f"{heard.holes} holes with GAP, {len(heard.lies)} untrue numbers"
        )
    for lie in lies[:10]:
        print(lie)


def run(minutes: float, rate: float, trading: int) -> int:
    """Run it and print the account; return the exit code."""
    call_command("migrate", verbosity=0)
    make_instruments()
    connection.close()
    chaos = Chaos(60 * minutes, rate, trading)
    gaps = uvloop.run(chaos.run())
    heard = [client.heard for client in chaos.clients]
    found = account(
        chaos.market,
        select_stored(SYMBOLS),
        gaps,
        set().union(*(item.gaps for item in heard)),
        np.concatenate([item.columns() for item in heard]),
    )
    lies = [lie for item in heard for lie in item.lies]
    tell(chaos, found, lies)
    is_clean = found.is_clean and not (lies or chaos.uncovered or any(chaos.exit_codes))
    print("exactly once" if is_clean else "NOT exactly once")
    if not is_clean:
        print(chaos.log)
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(run(float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
