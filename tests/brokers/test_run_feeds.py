"""`run_feeds` as a process of its own, with the feeds that it starts."""

import os
import re
import signal

import pytest

from tests.brokers.processes import Managed, manage
from tests.brokers.replay_server import ReplayServer
from tests.marketdata.polling import until

pytestmark = pytest.mark.django_db(transaction=True)


def feed_pids(managed: Managed) -> list[int]:
    """Return the processes that were started, in order."""
    return [int(found) for found in re.findall(r"\bpid=(\d+)", managed.log)]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_run_feeds_runs_enabled_brokers_and_stops_them(
    instruments: int, server: ReplayServer, prefix: str
) -> None:
    settings = {
        "BROKERS_ENABLED": "binance,oanda,simulated",
        "BINANCE_WS_URL": server.address,
        "BINANCE_REST_URL": "",
        "CHANNEL_PREFIX": prefix,
    }

    async with manage("run_feeds", **settings) as feeds:
        await until(
            lambda: server.requests and "broker=simulated instruments=" in feeds.log,
            timeout_s=20,
        )
        assert await feeds.stop() == 0, feeds.log

    assert re.search(r"enabled broker has no feed yet .*broker=oanda", feeds.log)
    assert feeds.log.count("feed stops") == 2
    assert len(feed_pids(feeds)) == 2
    assert not any(map(is_running, feed_pids(feeds)))


async def test_run_feeds_starts_a_killed_feed_again(
    instruments: int, prefix: str
) -> None:
    settings = {"BROKERS_ENABLED": "simulated", "CHANNEL_PREFIX": prefix}

    async with manage("run_feeds", **settings) as feeds:
        await until(lambda: "feed live" in feeds.log, timeout_s=20)
        os.kill(feed_pids(feeds)[0], signal.SIGKILL)
        await until(lambda: feeds.log.count("feed live") == 2, timeout_s=20)
        assert await feeds.stop(signal.SIGINT) == 0, feeds.log

    assert "exit_code=-9" in feeds.log


async def test_run_feeds_killed_takes_its_feeds_along(
    instruments: int, prefix: str
) -> None:
    settings = {"BROKERS_ENABLED": "simulated", "CHANNEL_PREFIX": prefix}

    async with manage("run_feeds", **settings) as feeds:
        await until(lambda: "feed live" in feeds.log, timeout_s=20)
        feeds.process.kill()
        await until(lambda: not is_running(feed_pids(feeds)[0]), timeout_s=12)

    assert "feed stops" in feeds.log


async def test_run_feeds_without_a_feed_to_run_waits_for_the_signal(
    prefix: str,
) -> None:
    settings = {"BROKERS_ENABLED": "oanda", "CHANNEL_PREFIX": prefix}

    async with manage("run_feeds", **settings) as feeds:
        await until(lambda: "no feed to run" in feeds.log, timeout_s=20)
        assert feeds.process.returncode is None
        assert await feeds.stop() == 0
