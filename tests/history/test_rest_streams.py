"""Long answers over a real socket: bounded memory, whatever the client does."""

import contextlib
import socket
import time
from pathlib import Path

import numpy as np
import pytest
from django.db import connection

from history.columns import TickColumns
from tests.history.storage import T0_US, make_series, store
from tests.history.test_rest_over_socket import start_server, stop_server
from tests.marketdata.server_process import test_database_url

TICKS = 200_000  # 17 MB of lines
T0 = T0_US // 1_000_000
EXPORT = f"/api/ticks?symbol=EURUSD&from={T0}&to={T0 + 86_400}&format=ndjson"
# What a page of rows and the socket's buffers may take.
ROOM_KIB = 8 * 1024


@pytest.fixture
def server(transactional_db):
    """A web process and its port, with many ticks to export."""
    series_id = make_series()
    prices = np.full(TICKS, 1.1)
    store(
        TickColumns(
            np.full(TICKS, series_id, np.int32),
            T0_US + np.arange(TICKS, dtype=np.int64) * 100_000,
            np.arange(TICKS, dtype=np.int64),
            prices,
            prices,
            prices,
            prices,
        )
    )
    process, port = start_server(test_database_url())
    yield process, port
    stop_server(process)


def request(port: int, address: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    head = f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    client.sendall(head.encode())
    return client


def memory_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def read_all(client: socket.socket) -> bytes:
    """Return everything until the server closes, or cuts, the connection."""
    chunks = []
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(1 << 20):
            chunks.append(chunk)
    return b"".join(chunks)


def test_export_to_a_client_that_pauses_is_whole_and_bounded(server):
    process, port = server
    with request(port, "/api/ticks?symbol=EURUSD&limit=10000&from=0") as client:
        read_all(client)
    before = memory_kib(process.pid)

    with request(port, EXPORT) as client:
        most = before
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline:
            most = max(most, memory_kib(process.pid))
            time.sleep(0.05)
        body = read_all(client)

    assert most - before < ROOM_KIB
    assert body.startswith(b"HTTP/1.1 200 ")
    assert body.count(b'"ask_size":1.1}') > TICKS * 0.99  # some straddle two chunks
    assert body.endswith(b"\r\n0\r\n\r\n")


def test_export_ends_with_its_client(server):
    process, port = server
    client = request(port, EXPORT)
    client.recv(1 << 16)
    client.close()

    def cpu_ticks() -> int:
        return sum(
            map(int, Path(f"/proc/{process.pid}/stat").read_text().split()[13:15])
        )

    deadline = time.monotonic() + 60
    spent = -1
    while cpu_ticks() - spent > 5:  # of a hundredth of a second each
        assert time.monotonic() < deadline, "it is still reading"
        spent = cpu_ticks()
        time.sleep(0.5)


def test_export_that_fails_midway_is_cut_and_the_server_goes_on(server):
    process, port = server
    with request(port, EXPORT) as client:
        client.recv(1 << 10)
        with connection.cursor() as cursor:
            # The pages that were not read yet cannot be any more.
            cursor.execute("ALTER TABLE ticks RENAME COLUMN bid TO gone")
        try:
            body = read_all(client)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE ticks RENAME COLUMN gone TO bid")

    assert not body.endswith(b"\r\n0\r\n\r\n")
    with request(port, "/api/metadata") as client:
        assert read_all(client).startswith(b"HTTP/1.1 200 ")
    assert process.poll() is None
