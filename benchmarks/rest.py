"""REST against its limits: the floor, an empty view, and a peer, all in one run.

    [BENCH_PEER=peer_node_candles.mjs] python -m benchmarks.rest [--rounds N]

Servers run on the first core, their clients on the last, PostgreSQL and Redis anywhere.
The floor is a psycopg binary cursor and msgspec in this process: rows and their JSON,
without a server, checks, rounding or headers. The empty view is Django's own handler
without middleware on our server. The peer is a script for node that serves `SQL` of
`DATABASE_URL` on `PORT`. Fails if a limit is missed.
"""

import contextlib
import http.client
import math
import os
import statistics
import time
from collections.abc import Callable

import django
import msgspec
import psycopg

from benchmarks.command_line import parser_of, run_benchmark
from services.command_line import Parser

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

# Models can be imported only now.
from django.db import connection  # noqa: E402

from benchmarks.http_load import Load, Server, ask  # noqa: E402
from benchmarks.rest_servers import CORES, empty_view, node, ours  # noqa: E402
from history.candle_bodies import CandleBody  # noqa: E402
from history.database_address import conninfo  # noqa: E402
from tests.history.factories import T0, store_quotes  # noqa: E402

CANDLES = 1_020
SECONDS = 1.5  # of one measurement
STATEMENT = """
    SELECT extract(epoch FROM time)::bigint AS time, open, high, low, close
    FROM candles_1m
    WHERE series_id = 1 AND price_side = 0
      AND time >= to_timestamp({}) AND time <= to_timestamp({})
    ORDER BY time
"""
ENDS = (T0, T0 + 60 * (CANDLES - 1))
ADDRESS = "/api/candles?symbol=EURUSD&timeframe=1m&from={}&to={}".format(*ENDS)


def main() -> int:
    """Print the medians of all rounds; return 1 if a limit is missed."""
    rounds = parser().parse_args().rounds
    peer = os.environ.get("BENCH_PEER", "")
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
    return int(not report({way: median(found) for way, found in loads.items()}))


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
        node_server = servers.enter_context(node(peer, STATEMENT.format("$1", "$2")))
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


class Limit(msgspec.Struct, frozen=True):
    """A ratio of two ways' figures, and where it must lie."""

    name: str
    ratio: Callable[[dict[str, Load]], float]
    at_least: float = 0.0
    at_most: float = math.inf

    def line(self, ratio: float) -> str:
        """Return the ratio beside what is asked of it."""
        asked = f"at least {self.at_least:g}"
        if self.at_most < math.inf:
            asked = f"at most {self.at_most:g}"
        missed = "" if self.is_kept(ratio) else "   MISSED"
        return f"{self.name:40} {ratio:5.2f}   ({asked}){missed}"

    def is_kept(self, ratio: float) -> bool:
        """Whether the ratio is within."""
        return self.at_least <= ratio <= self.at_most


LIMITS = (
    Limit(
        "candles, 1 client: p50 to the floor",
        lambda loads: loads["candles, 1 client"].p50_ms / loads["floor"].p50_ms,
        at_most=3,
    ),
    Limit(
        "candles again: rate to an empty view",
        lambda loads: loads["candles again (kept)"].rate / loads["empty view"].rate,
        at_least=0.65,
    ),
    Limit(
        "304: rate to an empty view",
        lambda loads: loads["not modified (304)"].rate / loads["empty view"].rate,
        at_least=0.65,
    ),
    Limit(
        "metadata: time to an empty view's",
        lambda loads: loads["empty view"].rate / loads["metadata"].rate,
        at_most=1.5,
    ),
)
PEER_LIMIT = Limit(
    "candles: rate to the peer's",
    lambda loads: loads["candles"].rate / loads["peer"].rate,
    at_least=1,
)


def report(loads: dict[str, Load]) -> bool:
    """Print a line for each way and each limit; return whether all are kept."""
    for way, found in loads.items():
        print(
            f"{way:28} {found.rate:7.0f}/s   p50 {found.p50_ms:6.2f} ms   "
            f"CPU {found.cpu_ms:5.2f} ms"
        )
    limits = (*LIMITS, PEER_LIMIT) if "peer" in loads else LIMITS
    ratios = [(limit, limit.ratio(loads)) for limit in limits]
    for limit, ratio in ratios:
        print(limit.line(ratio))
    return all(limit.is_kept(ratio) for limit, ratio in ratios)


def tag_of(server: Server) -> str:
    """Return the tag of the candles."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    client.request("GET", ADDRESS)
    response = client.getresponse()
    assert response.read().count(b'"time"') == CANDLES
    client.close()
    return response.headers["ETag"]


def parser() -> Parser:
    """Return the parser of the command line."""
    result = parser_of("rest", __doc__, "", "--rounds 1")
    result.add_argument("--rounds", type=int, default=5)
    return result


if __name__ == "__main__":
    run_benchmark(main, "rest")
