"""GET against a server that stalls, drips and breaks off."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from importer.exceptions import RequestFailed
from importer.sources import http
from importer.sources.http import HttpClient, parse_retry_after
from tests.importer.bi5_files import DAY_US, tick_file
from tests.importer.dukascopy_server import FakeDukascopy, Fault, serving
from tests.marketdata.polling import STALL_S

PATH = "/EURUSD/2019/01/04/00h_ticks.bi5"


@pytest.fixture
def server() -> Iterator[FakeDukascopy]:
    """A server with the day of EURUSD."""
    with serving() as server:
        yield server


@pytest.fixture
def client() -> Iterator[HttpClient]:
    """A client that takes 0.3 s of silence."""
    client = HttpClient(connections=2, silence_s=0.3)
    yield client
    client.close()


def get(client: HttpClient, server: FakeDukascopy, *, limit_s: float = 5.0):
    return client.get(server.bi5_url + PATH, limit_s=limit_s)


@pytest.mark.parametrize("is_gzipped", [False, True])
def test_get_gives_the_whole_answer(server, client, is_gzipped):
    server.is_gzipped = is_gzipped

    answer = get(client, server)

    assert (answer.status, answer.body) == (200, tick_file(0))
    assert answer.content_type == "application/octet-stream"
    assert answer.retry_after_s is None


def test_get_uses_a_connection_again(server, client):
    ports = set()
    handle = server.process_request
    server.process_request = lambda request, address: (
        ports.add(address),
        handle(request, address),
    )

    for _ in range(3):
        get(client, server)

    assert len(server.asked) == 3
    assert len(ports) == 1


@pytest.mark.parametrize(
    ("fault", "status"), [(Fault.ERROR, 500), (Fault.REDIRECT, 302)]
)
def test_get_gives_any_status_and_follows_no_redirect(server, client, fault, status):
    server.plan(DAY_US, fault)

    assert get(client, server).status == status
    assert len(server.asked) == 1


def test_get_reads_retry_after(server, client):
    server.plan(DAY_US, Fault.UNAVAILABLE)
    server.retry_after = "17"

    answer = get(client, server)

    assert (answer.status, answer.retry_after_s) == (503, 17.0)


def test_get_of_a_silent_server_gives_up(server, client):
    server.plan(DAY_US, Fault.STALL)

    with pytest.raises(RequestFailed, match=r"found silence for 0.3 s in http://127"):
        get(client, server)


@pytest.mark.parametrize("fault", [Fault.DRIP, Fault.DRIP_HEADERS])
def test_get_of_a_dripping_server_ends_at_the_limit(server, client, fault):
    server.plan(DAY_US, fault)
    started_s = time.monotonic()

    with pytest.raises(RequestFailed, match=r"found none complete within 0.5 s in"):
        get(client, server, limit_s=0.5)

    assert 0.4 < time.monotonic() - started_s < 0.5 + STALL_S
    assert get(client, server).body == tick_file(0)


def test_get_of_a_server_that_drips_its_handshake_gives_up(client):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip_handshake, args=(listening,))
        thread.start()
        started_s = time.monotonic()

        # The whole handshake is one wait for the interpreter.
        with pytest.raises(RequestFailed, match="found silence for 0.3 s"):
            client.get(f"https://127.0.0.1:{listening.getsockname()[1]}/", limit_s=60)

        assert time.monotonic() - started_s < 0.3 + STALL_S
        thread.join(60)


def drip_handshake(listening: socket.socket) -> None:
    """Take one connection and begin a TLS record of 16,000 bytes, byte by byte."""
    connection, _ = listening.accept()
    with connection, suppress(OSError):
        for value in b"\x16\x03\x03\x3e\x80\x02\x00\x3e\x7c" + bytes(16_000):
            connection.sendall(bytes([value]))
            time.sleep(0.02)


def test_get_of_a_truncated_answer_raises(server, client):
    server.plan(DAY_US, Fault.TRUNCATED)

    with pytest.raises(RequestFailed, match="IncompleteRead"):
        get(client, server)

    assert get(client, server).body == tick_file(0)


def test_get_of_a_reset_connection_raises(server, client):
    server.plan(DAY_US, Fault.RESET)

    with pytest.raises(RequestFailed, match="Connection aborted"):
        get(client, server)


def test_get_where_nobody_listens_raises(server, client):
    with pytest.raises(RequestFailed, match="Connection refused"):
        client.get("http://127.0.0.1:9/x", limit_s=5)


def test_get_of_a_name_that_nobody_has_raises(client):
    with pytest.raises(RequestFailed, match="NameResolutionError"):
        client.get("http://nobody.invalid/x", limit_s=5)


def test_get_of_a_body_beyond_all_measure_raises(server, client, monkeypatch):
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 10_000)

    with pytest.raises(RequestFailed, match="at most 10000 bytes, found more"):
        get(client, server)

    monkeypatch.undo()
    assert get(client, server).body == tick_file(0)


def test_close_ends_requests_and_sleeps_of_other_threads(server):
    client = HttpClient(connections=2, silence_s=30)
    server.plan(DAY_US, Fault.STALL)
    ended: list[object] = []

    def request() -> None:
        with pytest.raises(RequestFailed, match="found the import ending"):
            get(client, server, limit_s=30)
        ended.append("request")

    threads = [
        threading.Thread(target=request),
        threading.Thread(target=lambda: ended.append(client.wait(30))),
    ]
    started_s = time.monotonic()
    for thread in threads:
        thread.start()
    while not server.active and time.monotonic() - started_s < 60:
        time.sleep(0.01)
    client.close()
    for thread in threads:
        thread.join(60)

    assert sorted(map(str, ended)) == ["False", "request"]
    with pytest.raises(RequestFailed, match="found the import ending"):
        get(client, server)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Mon, 04 Feb 2019 00:00:30 GMT", 30.0),
        ("Sun, 03 Feb 2019 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_parse_retry_after_takes_seconds_and_dates(text, expected):
    now_s = DAY_US / 1e6

    assert parse_retry_after({"Retry-After": text}, now_s=now_s) == expected
