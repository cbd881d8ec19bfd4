"""REST against its limits: the floor, an empty view, and a peer, all in one run.

    python -m benchmarks.rest [--peer peer_node_candles.mjs] [--rounds N]

Servers run on the first core, their clients on the last, PostgreSQL and Redis anywhere.
The floor is a psycopg binary cursor and msgspec in this process: rows and their JSON,
without a server, checks, rounding or headers. The empty view is Django's own handler
without middleware on our server. The peer is a script for node that serves `SQL` of
`DATABASE_URL` on `PORT`.
"""

import argparse
import contextlib
import http.client
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import django
import msgspec
import psycopg

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

# Models can be imported only now.
from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402

from benchmarks.http_load import Load, Server, ask  # noqa: E402
from history.candle_bodies import CandleBody  # noqa: E402
from history.database_address import conninfo  # noqa: E402
from tests.history.factories import T0, store_quotes  # noqa: E402

CANDLES = 1_020
SECONDS = 1.5  # of one measurement
CORES = sorted(os.sched_getaffinity(0))
STATEMENT = """
    SELECT extract(epoch FROM time)::bigint AS time, open, high, low, close
    FROM candles_1m
    WHERE series_id = 1 AND price_side = 0
      AND time >= to_timestamp({}) AND time <= to_timestamp({})
    ORDER BY time
"""
ENDS = (T0, T0 + 60 * (CANDLES - 1))
ADDRESS = "/api/candles?symbol=EURUSD&timeframe=1m&from={}&to={}".format(*ENDS)
PEER_PORT = 9_410


def main(peer: str, rounds: int) -> None:
    """Print the medians of all rounds, and the ratios that matter."""
    name = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = "benchmark_rest"
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        with contextlib.ExitStack() as servers:
            ways = prepare(servers, peer)
            loads: dict[str, list[Load]] = {way: [] for way in ways}
            for _ in range(rounds):
                for way, measure in ways.items():
                    loads[way].append(measure())
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)
    report({way: median(found) for way, found in loads.items()})


def prepare(servers: contextlib.ExitStack, peer: str) -> dict[str, Callable[[], Load]]:
    """Return what is measured by its name, with all servers running."""
    # A minute more than is asked for, and another: so the range is settled.
    quotes = [
        (T0 + 20 * i, 1.1 + i % 97 * 1e-5, 1.1002) for i in range(3 * CANDLES + 6)
    ]
    assert store_quotes(quotes).pk == 1
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    uncached = servers.enter_context(ours(REST_CACHE_BYTES="0"))
    cached = servers.enter_context(ours())
    empty = servers.enter_context(empty_view("django"))
    empty_rest = servers.enter_context(empty_view("rest"))
    tag = f"If-None-Match: {tag_of(cached)}\r\n"
    ways = {
        "floor": floor,
        "candles, 1 client": lambda: load(uncached, ADDRESS, clients=1),
        "candles": lambda: load(uncached, ADDRESS),
        "candles again (kept)": lambda: load(cached, ADDRESS),
        "not modified (304)": lambda: load(cached, ADDRESS, headers=tag),
        "metadata": lambda: load(cached, "/api/metadata?symbol=EURUSD"),
        "empty view": lambda: load(empty, "/empty"),
        "empty view, our handler": lambda: load(empty_rest, "/empty"),
    }
    if peer:
        node_server = servers.enter_context(node(peer))
        address = "/api/candles?from={}&to={}".format(*ENDS)
        ways["peer, 1 client"] = lambda: load(node_server, address, clients=1)
        ways["peer"] = lambda: load(node_server, address)
    return ways


def load(server: Server, address: str, *, clients: int = 8, headers: str = "") -> Load:
    """Ask from the last core."""
    os.sched_setaffinity(0, {CORES[-1]})
    return ask(server, address, clients=clients, seconds=SECONDS, headers=headers)


def floor() -> Load:
    """Read and encode in this process, on the servers' core."""
    os.sched_setaffinity(0, {CORES[0]})
    times, spent = [], time.process_time()
    with psycopg.connect(conninfo(), autocommit=True) as database:
        until = time.perf_counter() + SECONDS
        while time.perf_counter() < until:
            started = time.perf_counter()
            with database.cursor(binary=True) as cursor:
                cursor.execute(STATEMENT.format("%s", "%s"), ENDS)
                rows = [CandleBody(*row) for row in cursor.fetchall()]
            body = msgspec.json.encode(rows)
            times.append(time.perf_counter() - started)
    assert body.count(b'"time"') == CANDLES
    spent = time.process_time() - spent
    p50_ms = statistics.median(times) * 1_000
    return Load(len(times) / SECONDS, p50_ms, spent / len(times) * 1_000)


def median(loads: list[Load]) -> Load:
    """Return the medians of several measurements."""
    return Load(
        statistics.median(item.rate for item in loads),
        statistics.median(item.p50_ms for item in loads),
        statistics.median(item.cpu_ms for item in loads),
    )


def report(loads: dict[str, Load]) -> None:
    """Print a line for each, then each ratio beside its limit."""
    for way, found in loads.items():
        print(
            f"{way:28} {found.rate:7.0f}/s   p50 {found.p50_ms:6.2f} ms   "
            f"CPU {found.cpu_ms:5.2f} ms"
        )
    empty = loads["empty view"].rate
    ratios = [
        (
            "candles, 1 client: p50 to the floor",
            loads["candles, 1 client"].p50_ms / loads["floor"].p50_ms,
            "at most 3",
        ),
        (
            "candles again: rate to an empty view",
            loads["candles again (kept)"].rate / empty,
            "at least 0.65",
        ),
        (
            "304: rate to an empty view",
            loads["not modified (304)"].rate / empty,
            "at least 0.65",
        ),
        (
            "metadata: time to an empty view's",
            empty / loads["metadata"].rate,
            "at most 1.5",
        ),
    ]
    if "peer" in loads:
        rate = loads["candles"].rate / loads["peer"].rate
        ratios.append(("candles: rate to the peer's", rate, "at least 1"))
    for name, ratio, limit in ratios:
        print(f"{name:40} {ratio:5.2f}   ({limit})")


@contextlib.contextmanager
def ours(**environment: str) -> Iterator[Server]:
    """Give a web process with a limit for this machine, too."""
    address, _, _ = settings.DATABASE_URL.rpartition("/")
    argv = ["manage.py", "serve", "--host", "127.0.0.1", "--port", "0"]
    values = {
        "DATABASE_URL": f"{address}/{connection.settings_dict['NAME']}",
        "ALLOWED_HOSTS": "127.0.0.1",
        "RATE_LIMIT_LOOPBACK": "true",
        "REST_REQUESTS_PER_MIN": "100000000",
        "LOG_LEVEL": "WARNING",
        "ENV_FILE": os.devnull,
        **environment,
    }
    with running([sys.executable, *argv], values) as (pid, line):
        yield Server(pid, int(line.rstrip("/\n").rpartition(":")[2]))


@contextlib.contextmanager
def empty_view(handler: str) -> Iterator[Server]:
    """Give a server with an empty view."""
    argv = [sys.executable, "-m", "benchmarks.empty_view", handler]
    with running(argv, {}) as (pid, line):
        yield Server(pid, int(line.split()[-1]))


@contextlib.contextmanager
def node(script: str) -> Iterator[Server]:
    """Run the peer, which says nothing when it listens."""
    address, _, _ = settings.DATABASE_URL.rpartition("/")
    values = {
        "DATABASE_URL": f"{address}/{connection.settings_dict['NAME']}",
        "PORT": str(PEER_PORT),
        "SQL": STATEMENT.format("$1", "$2"),
    }
    process = start(["node", script], values)
    try:
        wait_for(PEER_PORT)
        yield Server(process.pid, PEER_PORT)
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def running(argv: list[str], environment: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Give a server's process id, and the line with which it says that it listens."""
    process = start(argv, environment)
    try:
        line = process.stdout.readline() if process.stdout else ""
        assert line.startswith("listening"), line
        yield process.pid, line
    finally:
        process.terminate()
        process.communicate(timeout=15)


def start(argv: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start a process on the first core."""
    os.sched_setaffinity(0, {CORES[0]})  # which it inherits
    return subprocess.Popen(
        argv, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )


def wait_for(port: int) -> None:
    """Return when something answers on the port."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            http.client.HTTPConnection("127.0.0.1", port).connect()
            return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}")


def tag_of(server: Server) -> str:
    """Return the tag of the candles."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    client.request("GET", ADDRESS)
    response = client.getresponse()
    assert response.read().count(b'"time"') == CANDLES
    client.close()
    return response.headers["ETag"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", default="", help="script for node")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    main(options.peer, options.rounds)
