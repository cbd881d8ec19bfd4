"""REST from the outside: the web process, a socket, and the raw bytes of an address."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection

from tests.history.factories import T0, fixture_quotes, make_instrument, store_quotes
from tests.marketdata.server_process import test_database_url

HOURS = [
    {
        "time": 1704153600,
        "open": 1.10005,
        "high": 1.10519,
        "low": 1.10005,
        "close": 1.10519,
    },
    {
        "time": 1704157200,
        "open": 1.1052,
        "high": 1.11004,
        "low": 1.1052,
        "close": 1.11004,
    },
]
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def start_server(
    database_url: str, **environment: str
) -> tuple[subprocess.Popen[str], int]:
    """Return a web process that listens, and its port; values override settings."""
    server = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--host", "127.0.0.1", "--port", "0"],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "DATABASE_URL": database_url,
            "DB_POOL_MAX": "4",
            "ALLOWED_HOSTS": "127.0.0.1",
            "ENV_FILE": os.devnull,
            **environment,
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    # Blocks until the process says where it listens, or ends.
    line = server.stdout.readline()
    assert line.startswith("listening on "), line
    return server, int(line.rstrip("/\n").rpartition(":")[2])


def stop_server(server: subprocess.Popen[str]) -> None:
    server.terminate()
    try:
        server.communicate(timeout=60)
    finally:
        server.kill()


@pytest.fixture
def server_port(transactional_db) -> Iterator[int]:
    """The port of a web process that reads the tests' database."""
    server, port = start_server(test_database_url())
    yield port
    stop_server(server)


def get(
    port: int,
    address: str,
    accept: str = "*/*",
    method: str = "GET",
    if_none_match: str = "",
):
    """Return status, headers and body; the address is sent as it is written."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Accept": accept}
        if if_none_match:
            headers["If-None-Match"] = if_none_match
        client.request(method, address, headers=headers)
        response = client.getresponse()
        return response.status, response.headers, response.read()
    finally:
        client.close()


def get_json(port: int, address: str, **how: str):
    status, _, body = get(port, address, **how)
    return status, json.loads(body)


def test_compat_checks_24_to_35_from_the_outside(server_port):
    store_quotes(fixture_quotes())
    ends = f"from={T0}&to={T0 + 7200}"

    status, health = get_json(server_port, "/health")
    assert (status, health["status"], health["clients"]) == (200, "healthy", 0)
    assert get_json(server_port, "/readyz")[0] == 200

    for address in (
        f"/api/candles?symbol=EURUSD&timeframe=1h&{ends}",
        f"/api/candles?symbol=EUR%2FUSD&{ends}",
        f"/api/candles/eurusd/1h?{ends}",
        f"/api/candles/EUR%2FUSD/1h?{ends}",
        f"/api/candles/EUR%2fUSD/1h/?{ends}",
    ):
        assert get_json(server_port, address) == (200, HOURS)

    status, metadata = get_json(server_port, "/api/metadata/EUR%2FUSD")
    assert (status, metadata["tick_count"]) == (200, 1000)
    assert (metadata["earliest"], metadata["latest"]) == (T0, T0 + 6993)

    status, headers, body = get(
        server_port, f"/api/candles/EURUSD/1m?from={T0 - 7200}&to={T0 - 3600}"
    )
    assert (status, body) == (200, b"[]")
    assert headers["X-Data-Available"] == "false"
    assert headers["X-Available-To"] == "2024-01-02T01:56:33.000Z"
    assert headers["X-Broker"] == "dukascopy"
    assert headers["Warning"].startswith("199 - ")

    status, body = get_json(server_port, "/api/candles/EURUSD/1h")
    assert (status, body["code"]) == (400, "MISSING_PARAMETERS")
    status, body = get_json(server_port, "/api/candles/EURUSD/1h?from=abc&to=1")
    assert (status, body["code"]) == (400, "VALIDATION_ERROR")
    status, body = get_json(server_port, f"/api/candles/XXXYYY/1h?{ends}")
    assert (status, body["code"]) == (404, "SYMBOL_NOT_FOUND")
    assert get_json(server_port, "/api/nothing%20here?x=1") == (
        404,
        {
            "error": "Endpoint not found",
            "code": "NOT_FOUND",
            "path": "/api/nothing here",
        },
    )
    status, body = get_json(server_port, "/api/candles", method="POST")
    assert (status, body["code"]) == (405, "METHOD_NOT_ALLOWED")

    status, headers, body = get(
        server_port, f"/api/candles?symbol=EURUSD&{ends}", accept=CHROME
    )
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"1.10519" in body


def test_rest_without_database_url_answers_503_and_says_why():
    server, port = start_server("")
    try:
        status, candles = get_json(
            port, f"/api/candles?symbol=EURUSD&from={T0}&to={T0 + 1}"
        )
        assert (status, candles["code"]) == (503, "DATABASE_ERROR")
        assert get_json(port, "/api/metadata")[0] == 503
        assert get(port, "/api/metadata", accept=CHROME)[0] == 503

        status, health = get_json(port, "/health")
        assert (status, health["database"]) == (503, "disconnected")
        assert health["reason"] == "database: DATABASE_URL is not set"
        assert get_json(port, "/healthz")[0] == 200
    finally:
        stop_server(server)


def test_compat_check_32_two_processes_share_the_count(transactional_db):
    environment = {
        "CHANNEL_PREFIX": f"limits-{os.getpid()}",
        "RATE_LIMIT_LOOPBACK": "true",
        "REST_REQUESTS_PER_MIN": "3",
    }
    servers = [start_server(test_database_url(), **environment) for _ in range(2)]
    try:
        answers = [get(servers[turn % 2][1], "/api/metadata") for turn in range(4)]
    finally:
        for server, _ in servers:
            stop_server(server)

    assert [status for status, _, _ in answers] == [200, 200, 200, 429]
    assert int(answers[-1][1]["Retry-After"]) <= 60


def test_compat_check_30_not_modified_over_a_socket(server_port):
    store_quotes(fixture_quotes())
    address = f"/api/candles?symbol=EURUSD&timeframe=5m&from={T0}&to={T0 + 3599}"
    _, first, _ = get(server_port, address)

    status, headers, body = get(server_port, address, if_none_match=first["ETag"])

    assert (status, body) == (304, b"")
    assert headers["ETag"] == first["ETag"]
    assert headers["Cache-Control"] == "public, max-age=300"
    assert headers["Vary"] == "Accept, Origin"


def test_compat_check_35_api_docs_over_a_socket(server_port):
    assert get(server_port, "/api-docs")[0] == 302
    status, _, page = get(server_port, "/api/docs/")
    assert (status, b"SwaggerUIBundle" in page) == (200, True)
    assert get(server_port, "/api/schema/")[0] == 200


def test_rest_recovers_when_the_database_cuts_its_connections(server_port):
    make_instrument("EURUSD")
    assert get_json(server_port, "/api/metadata")[0] == 200

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        assert cursor.fetchone()[0] > 0

    assert get_json(server_port, "/health")[0] == 200
    assert get_json(server_port, "/api/metadata")[0] == 200
