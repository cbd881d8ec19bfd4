"""Health through Django's rest; what is away is a port where nothing answers."""

import asyncio
import socket
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connections as databases
from websockets.asyncio.client import connect

from history.health import SharedCheck
from marketdata.connections import connections
from tests.history.test_rest_over_socket import get_json
from tests.marketdata.polling import STALL_S
from tests.marketdata.server_process import Client, running_server


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def move_database(monkeypatch):
    """Return a function that moves the database's address to another port."""

    def move(port: int) -> None:
        values = databases["default"].settings_dict
        monkeypatch.setitem(values, "HOST", "127.0.0.1")
        monkeypatch.setitem(values, "PORT", port)

    return move


@pytest.fixture
def counts(monkeypatch):
    monkeypatch.setattr(connections, "clients", 3)
    monkeypatch.setattr(connections, "subscriptions", 6)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("counts")
def test_compat_check_24_health_with_database(rest):
    response = rest.get("/health")

    body = response.json()
    uptime = body.pop("uptime")
    assert response.status_code == 200
    assert body == {"status": "healthy", "database": "connected", "clients": 3}
    assert isinstance(uptime, float)
    assert 0 < uptime < 86_400


@pytest.mark.parametrize("port", ["closed_port", "silent_port"])
@pytest.mark.usefixtures("counts")
def test_compat_check_24_health_without_database_answers_within_3_s(
    rest, move_database, request, port
):
    move_database(request.getfixturevalue(port))
    started = time.monotonic()

    response = rest.get("/health")

    body = response.json()
    assert time.monotonic() - started < 3 + STALL_S
    assert response.status_code == 503
    assert body.pop("uptime") > 0
    assert body == {
        "status": "unhealthy",
        "database": "disconnected",
        "clients": 3,
        "reason": "database: no answer",
    }


@pytest.mark.django_db(transaction=True)
def test_compat_check_24_health_recovers_with_the_database(
    rest, move_database, closed_port
):
    port = databases["default"].settings_dict["PORT"]
    move_database(closed_port)
    assert rest.get("/health").status_code == 503

    move_database(port)

    assert rest.get("/health").status_code == 200


def test_health_without_database_url_says_why(rest, settings):
    settings.DATABASE_URL = ""

    response = rest.get("/health")

    assert response.status_code == 503
    assert response.json()["reason"] == "database: DATABASE_URL is not set"


@pytest.mark.parametrize("address", ["/health/live", "/healthz"])
def test_compat_65_live_needs_nothing(rest, settings, address):
    settings.DATABASE_URL = ""

    response = rest.get(address)

    assert response.status_code == 200
    assert response.json() == {"status": "ok", "service": "market-data-server"}


@pytest.mark.parametrize("address", ["/health/ready", "/readyz"])
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("counts")
def test_compat_65_ready_with_database_and_redis(rest, address):
    response = rest.get(address)

    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "service": "market-data-server",
        "activeUsers": 3,
        "reasons": [],
    }


def test_compat_65_ready_without_both_names_both_within_3_s(
    rest, settings, move_database, silent_port
):
    settings.REDIS_URL = f"redis://127.0.0.1:{silent_port}/0"
    move_database(silent_port)
    started = time.monotonic()

    response = rest.get("/readyz")

    assert time.monotonic() - started < 3 + STALL_S
    assert response.status_code == 503
    assert response.json()["status"] == "unavailable"
    assert response.json()["reasons"] == ["redis: no answer", "database: no answer"]


def test_ready_of_a_server_without_database_url_asks_redis_alone(rest, settings):
    settings.DATABASE_URL = ""

    assert rest.get("/readyz").status_code == 200


async def test_compat_check_25_metrics_follow_three_sockets_of_two_symbols():
    prefix = f"{settings.CHANNEL_PREFIX}-{uuid4().hex[:8]}"
    with running_server(prefix, DATABASE_URL="") as server:
        port = int(server.host.rpartition(":")[2])
        seen = [await metrics_of(port)]
        clients = [Client(await connect(server.url)) for _ in range(3)]
        for client in clients:
            await client.receive()
            await client.ask(action="subscribe", symbols=["BTCUSDT", "ETH/USDT"])
            seen.append(await metrics_of(port))
        await clients[0].ask(action="unsubscribe", symbols=["BTCUSDT"])
        seen.append(await metrics_of(port))
        for client in clients:
            await client.socket.close()
            seen.append(await metrics_of(port))

    assert [(item["connections"], item["subscriptions"]) for item in seen] == [
        (0, 0), (3, 2), (3, 4), (3, 6), (3, 5), (2, 4), (1, 2), (0, 0),
    ]  # fmt: skip


async def metrics_of(port: int) -> dict[str, int]:
    status, body = await asyncio.to_thread(get_json, port, "/metrics")
    assert status == 200
    return body


@pytest.mark.usefixtures("counts")
def test_metrics_are_the_counts_of_the_process(rest):
    response = rest.get("/metrics")

    assert response.status_code == 200
    assert response.json() == {"connections": 3, "subscriptions": 6}


@pytest.mark.parametrize("address", ["/health", "/healthz", "/readyz", "/metrics"])
def test_other_methods_are_not_allowed(rest, address):
    response = rest.request("POST", address)

    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert response.json() == {
        "error": "Method not allowed",
        "code": "METHOD_NOT_ALLOWED",
    }


@pytest.mark.parametrize("address", ["/health", "/healthz", "/readyz", "/metrics"])
@pytest.mark.django_db(transaction=True)
def test_prober_may_use_an_address_that_allowed_hosts_lacks(rest, address):
    assert rest.get(address, Host="10.42.0.17:8080").status_code == 200


async def test_shared_check_runs_once_for_all_who_ask_at_a_time():
    calls = 0

    async def check() -> str:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        return f"answer {calls}"

    shared = SharedCheck(check)

    first = await asyncio.gather(*(shared() for _ in range(5)))
    second = await shared()

    assert (first, second) == (["answer 1"] * 5, "answer 2")


async def test_shared_check_begins_after_its_pause_and_not_sooner():
    begun = []

    async def check(name: str) -> str:
        begun.append(time.monotonic())
        return name

    shared = SharedCheck(check, pause_s=0.05)

    first = await shared("first")
    second = await asyncio.gather(*(shared(name) for name in "abc"))

    assert (first, second) == ("first", ["a"] * 3)
    assert begun[1] - begun[0] >= 0.05
    assert len(begun) == 2


async def test_shared_check_survives_that_one_who_asked_goes_away():
    may_end = asyncio.Event()

    async def check() -> str:
        await may_end.wait()
        return "answer"

    shared = SharedCheck(check)
    gone, stays = (asyncio.ensure_future(shared()) for _ in range(2))
    await asyncio.sleep(0)

    gone.cancel()
    may_end.set()

    assert await stays == "answer"
