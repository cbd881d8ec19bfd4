"""What metrics tell of a feed and two web processes, against what was counted outside.

METRICS_SECONDS=60 pytest tests/test_metrics_path.py takes a minute, not two seconds.
"""

import asyncio
import json
import os
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen
from uuid import uuid4

import pytest
from django.db import connection, connections
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import ClientConnection, connect

from marketdata.instruments import load_instruments
from tests.brokers.processes import manage
from tests.history.test_rest_over_socket import get_json
from tests.test_live_path import address_of

SECONDS = float(os.environ.get("METRICS_SECONDS", "2"))
CLIENTS = 12
REQUESTS = 7
CANDLES = "/api/candles?symbol=EURUSD&broker=simulated&timeframe=1s&from=1&to=2"


class Client:
    """A client that counts what it gets and sends."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.frames = self.sent = self.skipped = 0

    async def ask(self, **request: Any) -> None:
        """Send a request and read on until it is answered."""
        self.sent += 1
        await self._socket.send(json.dumps({**request, "id": f"q{self.sent}"}))
        while (await self.read()).get("id") != f"q{self.sent}":
            pass

    async def read(self) -> dict[str, Any]:
        """Return the next frame."""
        frame = json.loads(await self._socket.recv())
        self.frames += 1
        self.skipped += frame.get("skipped", 0)
        return frame

    async def read_for(self, seconds: float) -> None:
        """Read what comes."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await self.read()
        except TimeoutError:
            pass


@pytest.mark.django_db(transaction=True)
async def test_metrics_of_two_web_processes_agree_with_what_clients_counted() -> None:
    await asyncio.to_thread(prepare)
    settings = {
        "CHANNEL_PREFIX": f"metrics-path-{uuid4().hex[:8]}",
        "BROKERS_ENABLED": "simulated",
        "ALLOWED_HOSTS": "127.0.0.1",
        "RECORDER_FLUSH_S": "0.1",
        "HEARTBEAT_S": "600",
        "SIMULATED_RATE": "100",
    }
    serve = ("serve", "--host", "127.0.0.1", "--port", "0", "--processes", "2")
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        web = await enter(manage(*serve, **settings))
        feed = await enter(manage("run_feed", "simulated", **settings))
        address = await address_of(web)
        port = urlsplit(address).port
        clients = [
            Client(await enter(connect(address, proxy=None))) for _ in range(CLIENTS)
        ]
        for number, client in enumerate(clients):
            wish = {"delivery": "conflate"} if number % 2 else {}
            await client.ask(action="subscribe", symbols=["EUR/USD"], **wish)
            while (await client.read())["type"] != "data":
                pass
        open_ = await asyncio.to_thread(scrape, port)
        await asyncio.gather(*(client.read_for(SECONDS) for client in clients))
        for _ in range(REQUESTS):
            await asyncio.to_thread(get_json, port, CANDLES)
        for client in clients:
            await client.ask(action="unsubscribe", symbols=["EUR/USD"])
        before = await asyncio.to_thread(rows)
        found = await asyncio.to_thread(scrape, port)
        after = await asyncio.to_thread(rows)
        # The feed goes on, so what is in the database by now is compared with this.
        later = await asyncio.to_thread(scrape, port)
        assert await feed.stop() == 0, feed.log
        assert await web.stop() == 0, web.log

    assert found.processes == {"web": 2, "feed": 1}
    assert found["marketdata_processes_silent"] == 0
    assert open_["marketdata_subscriptions"] == CLIENTS
    assert found["marketdata_subscriptions"] == 0
    assert found["marketdata_connections"] == CLIENTS
    assert found["marketdata_frames_sent_total"] == sum(c.frames for c in clients)
    assert found["marketdata_frames_received_total"] == sum(c.sent for c in clients)
    skipped = sum(c.skipped for c in clients)
    assert found["marketdata_records_conflated_total"] == skipped > 0
    assert found["http_requests_total", "route", "/api/candles"] == REQUESTS
    assert 0 < before <= found["marketdata_rows_stored_total"] <= after
    assert later["marketdata_records_in_total"] >= after
    assert found["marketdata_feed_up"] == found["marketdata_feed_enabled"] == 1
    for stage in ("broker", "published", "stored", "delivered"):
        assert found["marketdata_lag_seconds_count", "stage", stage] > 0
    assert found["marketdata_hub_records_total"] > 0


class Scraped:
    """The sums over processes; ``processes`` are how many there are of each role."""

    def __init__(self, text: str) -> None:
        self._sums: Counter[Any] = Counter()
        self.processes: Counter[str] = Counter()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._sums[sample.name] += sample.value
                for label, value in sample.labels.items():
                    self._sums[sample.name, label, value] += sample.value
                if sample.name == "marketdata_process":
                    self.processes[sample.labels["role"]] += 1

    def __getitem__(self, key: Any) -> float:
        assert key in self._sums, key
        return self._sums[key]


def scrape(port: int) -> Scraped:
    with urlopen(f"http://127.0.0.1:{port}/metrics/prometheus", timeout=10) as answer:
        return Scraped(answer.read().decode())


def rows() -> int:
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT (SELECT count(*) FROM ticks) + (SELECT count(*) FROM trades)"
            )
            return cursor.fetchone()[0]
    finally:
        connections.close_all()


def prepare() -> None:
    try:
        load_instruments()
    finally:
        connections.close_all()
