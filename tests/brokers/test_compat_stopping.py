"""COMPAT check 52 from outside: a database that is away at the start, and signals."""

import asyncio
import json
import signal
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connections
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from history.models import Series, Tick
from marketdata.numbering import pack, parse_epoch
from tests.brokers.processes import database_url, manage
from tests.brokers.test_lease_without_database import via
from tests.cuttable_proxy import CuttableProxy, cuttable
from tests.history.test_rest_over_socket import get_json
from tests.marketdata.polling import until
from tests.test_live_path import address_of

pytestmark = pytest.mark.django_db(transaction=True)

SUBSCRIBE = {"action": "subscribe", "symbols": ["EUR/USD"], "broker": "simulated"}


def settings(proxy: CuttableProxy, prefix: str) -> dict[str, str]:
    return {
        "ALLOWED_HOSTS": "127.0.0.1",
        "BROKERS_ENABLED": "simulated",
        "CATALOG_REFRESH_S": "0.2",
        "CHANNEL_PREFIX": prefix,
        "DATABASE_URL": via(proxy.port),
        "RECORDER_FLUSH_S": "0.1",
        "SIMULATED_RATE": "20",
    }


async def test_compat_check_52_streams_without_the_database_and_drains_at_sigterm(
    instruments: int, prefix: str
) -> None:
    target = urlsplit(database_url())
    async with cuttable(target.hostname, target.port) as proxy:
        proxy.cut()
        environment = settings(proxy, prefix)
        serve = ("serve", "--host", "127.0.0.1", "--port", "0")
        async with (
            manage(*serve, **environment) as web,
            manage("run_feed", "simulated", **environment) as feed,
        ):
            await until(lambda: "feed live" in feed.log, timeout_s=20)
            address = await address_of(web)
            port = urlsplit(address).port
            async with connect(address, proxy=None) as client:
                frames: list[dict[str, Any]] = []
                reading = asyncio.create_task(read(client, frames))
                await client.send(json.dumps(SUBSCRIBE))
                await until(lambda: len(ticks(frames)) > 3, timeout_s=20)
                health, _ = await asyncio.to_thread(get_json, port, "/health")

                proxy.restore()
                await until_stored()
                # 10 s after a signal a feed ends itself, and not with 0.
                assert await feed.stop() == 0, feed.log
                assert await web.stop() == 0, web.log
                await reading

    assert health == 503
    assert client.close_code == 1001
    heard = {pack(parse_epoch(frame["epoch"]), frame["seq"]) for frame in ticks(frames)}
    assert heard <= set(await asyncio.to_thread(stored_numbers))


async def test_compat_check_52_a_second_signal_forces(
    instruments: int, prefix: str
) -> None:
    target = urlsplit(database_url())
    async with (
        cuttable(target.hostname, target.port) as proxy,
        manage("run_feed", "simulated", **settings(proxy, prefix)) as feed,
    ):
        await until(lambda: "feed live" in feed.log, timeout_s=20)
        proxy.cut()
        await until(lambda: "flush failed" in feed.log, timeout_s=20)

        feed.process.send_signal(signal.SIGTERM)
        # It waits some seconds for the database.
        await until(lambda: "feed stops" in feed.log, timeout_s=20)
        assert await feed.stop() == -signal.SIGTERM

    assert "feed stopped" not in feed.log


async def read(client: ClientConnection, frames: list[dict[str, Any]]) -> None:
    """Collect what comes until the connection ends."""
    try:
        async for frame in client:
            frames.append(json.loads(frame))
    except ConnectionClosed:
        pass


def ticks(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [frame for frame in frames if "seq" in frame]


async def until_stored() -> None:
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(stored_numbers):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def stored_numbers() -> list[int]:
    try:
        series = Series.objects.filter(instrument__symbol="EURUSD")
        rows = Tick.objects.filter(series_id__in=series)
        return list(rows.values_list("seq", flat=True))
    finally:
        connections.close_all()
