"""`run_feeds` as a process of its own, with the feeds that it starts."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connections
from websockets.asyncio.client import connect

from marketdata.models import Broker
from tests.brokers.processes import Managed, manage
from tests.brokers.replay_server import ReplayServer
from tests.history.test_rest_over_socket import get_json
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
        "BROKERS_ENABLED": "binance,nobody,simulated",
        "PRIVATE_FEEDS_MAX": "0",
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

    assert re.search(r"enabled broker has no feed yet .*broker=nobody", feeds.log)
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
    settings = {
        "BROKERS_ENABLED": "nobody",
        "PRIVATE_FEEDS_MAX": "0",
        "CHANNEL_PREFIX": prefix,
    }

    async with manage("run_feeds", **settings) as feeds:
        await until(lambda: "no feed to run" in feeds.log, timeout_s=20)
        assert feeds.process.returncode is None
        assert await feeds.stop() == 0


async def test_compat_check_50_a_switch_in_the_admin_takes_effect_within_10_s(
    instruments: int, prefix: str
) -> None:
    settings = {
        "BROKERS_ENABLED": "nobody",
        "PRIVATE_FEEDS_MAX": "0",
        "CHANNEL_PREFIX": prefix,
    }

    async with manage("run_feeds", **settings) as feeds:
        await until(lambda: "no feed to run" in feeds.log, timeout_s=20)
        await asyncio.to_thread(switch, "simulated", True)
        await until(lambda: "feed process started" in feeds.log, timeout_s=10)
        await until(lambda: "feed live" in feeds.log, timeout_s=10)
        await asyncio.to_thread(switch, "simulated", False)
        await until(lambda: "feed process is told to end" in feeds.log, timeout_s=10)
        await until(lambda: "feed stopped" in feeds.log, timeout_s=10)
        await asyncio.to_thread(switch, "simulated", True)
        await until(lambda: feeds.log.count("feed live") == 2, timeout_s=20)
        assert await feeds.stop() == 0, feeds.log

    assert not any(map(is_running, feed_pids(feeds)))


def switch(broker: str, is_enabled: bool | None) -> None:
    Broker.objects.filter(name=broker).update(is_enabled=is_enabled)
    connections.close_all()


async def test_compat_check_50_the_file_enables_and_the_environment_goes_before_it(
    instruments: int, prefix: str, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("brokers: [{name: simulated, enabled: true}]\n")
    settings = {"CONFIG_FILE": str(config), "CHANNEL_PREFIX": prefix}

    async with manage("run_feeds", **settings) as feeds:
        await until(lambda: "broker=simulated instruments=" in feeds.log, timeout_s=20)
        assert await feeds.stop() == 0, feeds.log
    async with manage("run_feeds", BROKERS_ENABLED="nobody", **settings) as feeds:
        await until(lambda: "no feed to run" in feeds.log, timeout_s=20)
        assert await feeds.stop() == 0, feeds.log


async def test_compat_check_50_a_bad_file_is_a_clear_error(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("brokers: [{name: binance, enabeld: true}]\n")

    async with manage("run_feeds", CONFIG_FILE=str(config)) as feeds:
        assert await feeds.wait() != 0

    assert "unknown field `enabeld` - at `$.brokers[0]`" in feeds.log


class HangingServer:
    """Takes connections and says nothing."""

    def __init__(self) -> None:
        self.address = ""
        self.clients: list[asyncio.StreamWriter] = []

    async def hang(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.clients.append(writer)


@pytest.fixture
async def hanging() -> AsyncIterator[HangingServer]:
    found = HangingServer()
    server = await asyncio.start_server(found.hang, "127.0.0.1", 0)
    found.address = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield found
    server.close()
    for writer in found.clients:
        writer.transport.abort()
    await server.wait_closed()


def cpu_s(pid: int) -> float:
    """Return the seconds that a process has computed for, its own and the system's."""
    # proc_pid_stat(5): fields 14 and 15, the second is a name in parentheses.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_compat_check_13_others_serve_while_an_upstream_is_unknown_away_or_hangs(
    instruments: int, hanging: HangingServer, prefix: str, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "brokers:\n"
        f"  - {{name: kraken, url: '{hanging.address}', enabled: true}}\n"
        "  - {name: nosuchbroker, url: 'wss://127.0.0.1:1', enabled: true}\n"
        "  - {name: binance, url: 'ws://127.0.0.1:1', enabled: true}\n"
        "  - {name: simulated, enabled: true}\n"
    )
    settings = {
        "ALLOWED_HOSTS": "127.0.0.1",
        "CONFIG_FILE": str(config),
        "CHANNEL_PREFIX": prefix,
    }
    serve = ("serve", "--host", "127.0.0.1", "--port", "0")

    async with (
        manage(*serve, **settings) as web,
        manage("run_feeds", **settings) as feeds,
    ):
        await until(lambda: hanging.clients and "listening on" in web.log, timeout_s=20)
        # Of the processor, so that other programs of this machine do not count.
        assert cpu_s(web.process.pid) < 5
        address = re.search(r"ws://\S+", web.log)[0]
        async with asyncio.timeout(20):
            status, _ = await asyncio.to_thread(
                get_json, urlsplit(address).port, "/healthz"
            )
        assert status == 200
        await until(lambda: "broker=nosuchbroker" in feeds.log, timeout_s=20)
        # Binance cannot be reached: nothing listens on port 1.
        await until(lambda: "code=FEED_LOST" in feeds.log, timeout_s=20)
        async with connect(address, proxy=None) as socket:
            request = {"symbols": ["EUR/USD"], "broker": "simulated"}
            await socket.send(json.dumps({"action": "subscribe", **request}))
            async with asyncio.timeout(10):
                while json.loads(await socket.recv())["type"] != "data":
                    pass
        assert await feeds.stop() == 0, feeds.log
        assert await web.stop() == 0, web.log

    assert re.search(r"enabled broker has no feed yet .*nosuchbroker", feeds.log)
