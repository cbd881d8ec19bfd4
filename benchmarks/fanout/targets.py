"""What is measured: our server in two dialects. `peers` has those of others."""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol

import redis

from benchmarks.fanout.clients import Request
from benchmarks.fanout.processes import (
    BROKER,
    Process,
    client_core,
    running,
    server_core,
    serving,
    wait_until,
)
from benchmarks.fanout.streams import Marks
from benchmarks.fanout.topics import bench_topics

UNIFIED_MARKS = Marks(
    stamp=re.compile(rb'"(?:ask_size|id)":(\d{16})'),
    numbers=re.compile(rb'"seq":(\d+)'),
)
# Its trades carry no numbers, so a hole shows by the count alone.
GATEWAY_MARKS = Marks(stamp=re.compile(rb'"volume":(\d{16})'))
_FEED_S = 20.0  # until `run_feed redis` listens


class Source(Protocol):
    """What sends records."""

    def start(self, rate: float, topics: int, seconds: float) -> None:
        """Begin to send; returns at once."""

    def sent(self) -> int | None:
        """Return how many records were sent, None while it sends."""


class ProcessSource:
    """A process that sends records when it is told to, and says when it has."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._sent: int | None = 0

    def start(self, rate: float, topics: int, seconds: float) -> None:
        """Begin to send; returns at once."""
        self._sent = None
        self._process.tell(f"{rate} {topics} {seconds}")

    def sent(self) -> int | None:
        """Return how many records were sent, None while it sends."""
        if self._sent is None and self._process.has_output():
            self._sent = int(self._process.line().split()[-1])
        return self._sent


class Target(NamedTuple):
    """A running server: whom to ask for CPU time, how to follow the n-th topic."""

    name: str
    port: int
    processes: tuple[Process, ...]
    request: Callable[[int], Request]
    marks: Marks
    source: Source

    def cpu_s(self) -> float:
        """Return the CPU time of the server's processes together."""
        return sum(process.cpu_s() for process in self.processes)

    @property
    def web(self) -> Process:
        """The process that the clients are connected to."""
        return self.processes[0]


def unified_request(
    number: int, *, count: int = 50, extra: Mapping[str, str] | None = None
) -> Request:
    """Return how to follow the n-th topic in the unified dialect."""
    kind, symbol = bench_topics(count)[number]
    fields = {"broker": f'"{BROKER}"', "snapshot": "false", **(extra or {})}
    more = "".join(f',"{name}":{value}' for name, value in fields.items())
    what = f'"symbols":["{symbol}"],"types":["{kind.value}"]'
    text = f'{{"action":"subscribe",{what}{more}}}'
    return Request("/", (text,), b'"accepted"')


def gateway_request(number: int) -> Request:
    """Return how to follow the n-th symbol in the gateway dialect."""
    text = f'{{"action":"subscribe","symbols":["S{number}"]}}'
    return Request("/gateway", (text,), b'"currentSubscriptions"')


@contextlib.contextmanager
def unified(redis_port: int, **settings: str) -> Iterator[Target]:
    """Run our server and a feed beside it on the first core."""
    environment = _environment(redis_port) | settings
    feed_argv = [sys.executable, "-m", "benchmarks.fanout.feed"]
    with (
        running(feed_argv, core=server_core(), environment=environment) as feed,
        serving(environment) as (web, port),
    ):
        assert feed.line() == "live"
        yield Target(
            "unified",
            port,
            (web, feed),
            unified_request,
            UNIFIED_MARKS,
            ProcessSource(feed),
        )


@contextlib.contextmanager
def gateway(redis_port: int, **settings: str) -> Iterator[Target]:
    """Run our server and `run_feed redis`; somebody else publishes trades on Redis."""
    environment = _environment(redis_port) | {"BROKERS_ENABLED": "redis"} | settings
    argv = [sys.executable, "manage.py", "run_feed", "redis"]
    with (
        running(argv, core=server_core(), environment=environment) as feed,
        serving(environment) as (web, port),
        redis_source(redis_port) as source,
        redis.Redis(port=redis_port) as client,
    ):
        wait_until(lambda: client.pubsub_numpat() > 0, timeout_s=_FEED_S)
        yield Target(
            "gateway", port, (web, feed), gateway_request, GATEWAY_MARKS, source
        )


@contextlib.contextmanager
def redis_source(redis_port: int) -> Iterator[Source]:
    """Run the publisher of `channel:trade:*`, beside the clients."""
    argv = [sys.executable, "-m", "benchmarks.fanout.redis_source", str(redis_port)]
    with running(argv, core=client_core()) as process:
        assert process.line() == "live"
        yield ProcessSource(process)


def _environment(redis_port: int) -> dict[str, str]:
    return {
        "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        "CHANNEL_PREFIX": f"fanout-{os.getpid()}",
        "BROKERS_ENABLED": BROKER,
        "DATABASE_URL": "",
        "ALLOWED_HOSTS": "127.0.0.1",
        "SECRET_KEY": os.environ.get("SECRET_KEY", "benchmark"),
    }
