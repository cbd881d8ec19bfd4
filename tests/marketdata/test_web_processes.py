"""`manage.py serve --processes`: processes that share a port, over real sockets."""

import asyncio
import os
import re
import signal
import socket
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings
from websockets.asyncio.client import connect

from marketdata.layers import MarketDataChannelLayer
from marketdata.publisher import Publisher
from marketdata.shared_port import SharedPort
from marketdata.web_processes import restart_delay_s
from tests.marketdata.polling import until
from tests.marketdata.samples import tick
from tests.marketdata.server_process import ROOT, SERVE, Client
from tests.marketdata.serving import serving

PREFIX = f"{settings.CHANNEL_PREFIX}-{uuid4().hex[:8]}"
ADOPTING = """
import socket, sys
from marketdata.server import LiveServer, tcp_endpoint
from tests.marketdata.port_application import application
server = LiveServer(application, endpoints=[tcp_endpoint("", 0)])
server.adopt(socket.socket(fileno=int(sys.argv[1])))
server.on_listening = lambda host, port: print(host, port, flush=True)
server.run()
"""


@pytest.fixture
async def publisher():
    layer = MarketDataChannelLayer(hosts=[settings.REDIS_URL], prefix=PREFIX)
    yield Publisher(layer, epoch=7)
    await layer.flush()


def is_running(pid: int) -> bool:
    """Whether a process lives; one that nobody has waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def greeted(host: str) -> tuple[Client, str]:
    """Return a new client and the id of the server that greeted it."""
    client = Client(await connect(f"ws://{host}/"))
    return client, (await client.receive())["server"]


async def clients_of_both(host: str) -> dict[str, Client]:
    """Return a client of each of two processes; the kernel deals connects by chance."""
    clients: dict[str, Client] = {}
    for _ in range(100):
        client, server = await greeted(host)
        if server in clients:
            await client.socket.close()
        clients.setdefault(server, client)
        if len(clients) == 2:
            return clients
    raise AssertionError(f"100 connects, all to {list(clients)}")


@pytest.mark.parametrize(
    ("failures", "random", "delay_s"),
    [(1, 0.0, 0.5), (1, 1.0, 1.0), (3, 1.0, 4.0), (7, 0.0, 30.0), (999, 1.0, 60.0)],
)
def test_restart_delay_grows_up_to_a_cap(failures, random, delay_s):
    assert restart_delay_s(failures, random) == delay_s


async def test_two_processes_serve_and_a_dead_one_comes_back(publisher):
    async with serving("--processes", "2", CHANNEL_PREFIX=PREFIX) as server:
        clients = await clients_of_both(server.host)
        for client in clients.values():
            await client.ask(action="subscribe", symbols=["BTCUSDT"])
        publisher.publish([tick(1)])
        frames = [await client.receive() for client in clients.values()]
        assert [frame["seq"] for frame in frames] == [1, 1]

        os.kill(server.pids[0], signal.SIGKILL)
        await until(lambda: "web process ended" in server.log)
        # Until it is back the other one has all connects.
        (left,) = {(await greeted(server.host))[1] for _ in range(10)}
        assert left in clients
        await until(lambda: len(server.pids) == 3)
        await until(lambda: is_listening(server.pids[2]))
        assert len(await clients_of_both(server.host)) == 2

        server.process.send_signal(signal.SIGTERM)
        await clients[left].receive_all()
        assert clients[left].socket.close_code == 1001
        assert await server.wait() == 0

    assert server.log.count("listening on") == 1
    assert re.search(r"exit_code=-9 .*restarts=1\b", server.log)
    assert not any(map(is_running, server.pids))


def is_listening(pid: int) -> bool:
    """Whether a process has a listening socket of TCP."""
    with open("/proc/net/tcp") as file:
        rows = [line.split() for line in file][1:]
    listening = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A"}
    folder = f"/proc/{pid}/fd"
    return any(_target(f"{folder}/{fd}") in listening for fd in os.listdir(folder))


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""


async def test_second_signal_kills_all_processes_at_once():
    async with serving("--processes", "2", CHANNEL_PREFIX=PREFIX) as server:
        clients = await clients_of_both(server.host)
        for client in clients.values():
            # It reads no more, so it would delay the end.
            client.socket.transport.pause_reading()

        server.process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.2)
        server.process.send_signal(signal.SIGINT)

        assert await server.wait() == 128 + signal.SIGINT
    await until(lambda: not any(map(is_running, server.pids)))
    for client in clients.values():
        client.socket.transport.abort()


async def test_processes_end_with_the_one_that_started_them():
    async with serving("--processes", "2", CHANNEL_PREFIX=PREFIX) as server:
        client, _ = await greeted(server.host)

        server.process.kill()
        await client.receive_all()

        assert client.socket.close_code == 1001
        await until(lambda: not any(map(is_running, server.pids)))


async def test_processes_that_cannot_start_end_all_with_1():
    async with serving(
        "--processes", "2", listens=False, WS_ROOT_DIALECT="none"
    ) as server:
        assert await server.wait() == 1

    assert "web process cannot start" in server.log
    assert "listening on" not in server.log


async def test_port_of_other_processes_is_refused():
    port = SharedPort("127.0.0.1", 0)
    with port.bind() as taken:
        taken.listen()
        async with serving(
            "--processes", "2", "--port", str(port.number), listens=False
        ) as server:
            assert await server.wait() == 1
    port.close()

    assert f"cannot listen on port {port.number} (PORT)" in server.log


@pytest.mark.parametrize("text", ["0", "-1", "many"])
async def test_number_that_is_none_is_wrong_usage(text):
    async with serving(f"--processes={text}", listens=False) as server:
        assert await server.wait() == 64

    assert f"expected 1 or more processes, found '{text}'" in server.log


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_inherited_socket_is_written_to_directly(host):
    port = SharedPort(host, 0)
    with port.bind() as bound:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", ADOPTING, str(bound.fileno())),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(bound.fileno(),),
        )
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    assert line.decode() == f"{host} {port.number}\n"

    with socket.create_connection((host, port.number)) as plain:
        url = f"ws://localhost:{port.number}/"
        async with connect(url, sock=plain) as connection:
            assert await connection.recv() == "PlainPort"

    process.terminate()
    assert await asyncio.wait_for(process.wait(), 60) == 0
    port.close()


async def test_number_of_no_socket_ends_with_an_error():
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *SERVE, "--fd", "77"),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 1
    assert "cannot listen on fd 77" in errors.decode()
