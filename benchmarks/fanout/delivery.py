"""Many clients follow what is sent: what arrived, how late, and what it cost."""

import contextlib
import time
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy

from benchmarks.fanout.clients import Client
from benchmarks.fanout.streams import Stream
from benchmarks.fanout.swarm import Swarm
from benchmarks.fanout.targets import Target

PATIENCE_S = 3.0  # without a byte: then what is missing is lost
SETTLE_S = 1.0  # after the clients are there


class Load(NamedTuple):
    """How many follow what, and how much of it is sent."""

    clients: int
    topics: int
    rate: float
    seconds: float


class Delivery(msgspec.Struct, frozen=True):
    """What came of a load. Latencies are of all deliveries, from making the record.

    ``is_complete``: each client got each record once and in order; bytes of all clients
    were compared, and the numbers of what they have in common read. CPU is per
    delivery: of feed and web process together, and of the clients here.
    """

    target: str
    clients: int
    topics: int
    rate: float
    deliveries: int
    per_s: int
    us_cpu: float
    client_us_cpu: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    is_complete: bool
    closed: int
    rss_mb: float


class Followers:
    """The clients of a load, each of one topic."""

    def __init__(self, target: Target, swarm: Swarm, load: Load) -> None:
        self.streams = [Stream(target.marks) for _ in range(load.topics)]
        self._target = target
        self._swarm = swarm
        self._load = load
        wanted = [
            (target.request(number % load.topics), self.streams[number % load.topics])
            for number in range(load.clients)
        ]
        self.clients: list[Client] = swarm.connect(wanted)

    def measure(self) -> Delivery:
        """Have the load sent, wait until it has arrived, return the figures."""
        load, target = self._load, self._target
        cpu_s, mine_s = target.cpu_s(), time.process_time()
        target.source.start(load.rate, load.topics, load.seconds)
        self._swarm.run(self._has_all_or_stands, timeout_s=load.seconds + 60)
        cpu_s = target.cpu_s() - cpu_s
        return self._figures(cpu_s, time.process_time() - mine_s)

    def _has_all_or_stands(self) -> bool:
        """Return True once everything came, or nothing has come for a while."""
        sent = self._target.source.sent()
        if sent is None:
            return False
        is_all = sum(stream.frames for stream in self.streams) == sent
        if is_all and all(self._is_whole(item) for item in enumerate(self.clients)):
            return True
        last_us = max(
            (item.reads[-1] for item in self.streams if item.reads), default=0
        )
        return last_us < time.time_ns() / 1e3 - PATIENCE_S * 1e6

    def is_complete(self) -> bool:
        """Return True if each client got each record that was sent, once, in order."""
        return (
            sum(stream.frames for stream in self.streams) == self._target.source.sent()
            and all(self._is_whole(item) for item in enumerate(self.clients))
            and all(s.is_in_order() and not s.mismatches for s in self.streams)
        )

    def _is_whole(self, item: tuple[int, Client]) -> bool:
        number, client = item
        stream = self.streams[number % len(self.streams)]
        return client.offset == len(stream.bytes) and not client.is_closed

    def _figures(self, cpu_s: float, client_s: float) -> Delivery:
        load = self._load
        late = numpy.concatenate([item.latencies_us() for item in self.streams]) / 1e3
        reads = numpy.concatenate(
            [numpy.array(item.reads)[2::3] for item in self.streams]
        )
        span_s = (reads.max() - reads.min()) / 1e6 if len(reads) else 0.0
        return Delivery(
            target=self._target.name,
            clients=load.clients,
            topics=load.topics,
            rate=load.rate,
            deliveries=len(late),
            per_s=round(len(late) / span_s) if span_s else 0,
            us_cpu=round(cpu_s / max(1, len(late)) * 1e6, 3),
            client_us_cpu=round(client_s / max(1, len(late)) * 1e6, 3),
            **percentiles(late),
            is_complete=self.is_complete(),
            closed=sum(client.is_closed for client in self.clients),
            rss_mb=round(sum(p.rss_kb() for p in self._target.processes) / 1024, 1),
        )


def percentiles(late_ms: numpy.ndarray) -> dict[str, float]:
    """Return median, 99th percentile and worst, in ms."""
    if not len(late_ms):
        return {"p50_ms": 0.0, "p99_ms": 0.0, "max_ms": 0.0}
    p50, p99 = numpy.percentile(late_ms, [50, 99])
    return {
        "p50_ms": round(float(p50), 2),
        "p99_ms": round(float(p99), 2),
        "max_ms": round(float(late_ms.max()), 2),
    }


@contextlib.contextmanager
def followed(target: Target, load: Load) -> Iterator[Followers]:
    """Connect a load's clients, and cut them at the end."""
    with Swarm.on(target.port) as swarm:
        followers = Followers(target, swarm, load)
        swarm.rest(SETTLE_S)
        yield followers
