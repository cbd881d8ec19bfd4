"""Clients that do not read, among many that do: nobody else may notice."""

import time

from benchmarks.fanout.clients import Client
from benchmarks.fanout.delivery import Followers, Load
from benchmarks.fanout.limits import SLOW_GROWTH_MB, Verdict, at_most, must
from benchmarks.fanout.processes import Process
from benchmarks.fanout.scenarios import Setup
from benchmarks.fanout.swarm import Swarm
from benchmarks.fanout.targets import unified_request

CLIENTS, RATE, SECONDS = 500, 500, 60.0
_TOO_SLOW = b'"TOO_SLOW"'


def slow(setup: Setup) -> list[Verdict]:
    """500 normal clients, one that never reads, one that reads a byte a second."""
    seconds = max(20.0, SECONDS * setup.scale)
    load = Load(setup.count(CLIENTS), 1, RATE, seconds)
    with setup.ours() as target, Swarm.on(target.port) as swarm:
        running = Followers(target, swarm, load)
        conflated = unified_request(0, extra={"delivery": '"conflate"'})
        never, byte = swarm.connect([(unified_request(0), None), (conflated, None)])
        for client in (never, byte):
            swarm.pause(client)
        swarm.rest(1.0)
        watch = _Watch(target.web, byte)
        target.source.start(RATE, 1, seconds)
        swarm.run(
            lambda: watch.look() and target.source.sent() is not None,
            timeout_s=seconds + 60,
        )
        swarm.rest(2.0)
        ends = {"never_reads": _end_of(never), "reads_a_byte": _end_of(byte)}
        is_complete = running.is_complete()
    setup.say(
        scenario="slow",
        clients=load.clients,
        rate=RATE,
        seconds=seconds,
        complete=is_complete,
        growth_mb=round(watch.growth_mb, 1),
        bytes_read=watch.read,
        **ends,
    )
    return [
        must("those who read lost nothing", holds=is_complete),
        at_most("MB that the server grew", watch.growth_mb, SLOW_GROWTH_MB),
        must("who never reads was cut", holds=ends["never_reads"] != "open"),
        must("the conflated one was kept", holds=ends["reads_a_byte"] == "open"),
    ]


class _Watch:
    """Reads a byte a second of a client, and looks how large the server is."""

    def __init__(self, server: Process, client: Client) -> None:
        self.read = 0
        self._server = server
        self._client = client
        self._first_kb = self._peak_kb = server.rss_kb()
        self._next_s = time.monotonic()

    @property
    def growth_mb(self) -> float:
        return (self._peak_kb - self._first_kb) / 1024

    def look(self) -> bool:
        if time.monotonic() >= self._next_s:
            self._next_s += 1.0
            self.read += _read_byte(self._client)
            self._peak_kb = max(self._peak_kb, self._server.rss_kb())
        return True


def _read_byte(client: Client) -> int:
    try:
        return len(client.sock.recv(1))
    except OSError:
        return 0


def _end_of(client: Client) -> str:
    """Return how a client that was not read ends: open, or its close code, or cut."""
    data = b""
    deadline = time.monotonic() + 2.0
    while time.monotonic() < deadline:
        try:
            chunk = client.sock.recv(1 << 16)
        except BlockingIOError:
            time.sleep(0.01)
            continue
        except OSError:
            return "cut"
        if not chunk:
            return "4002" if _TOO_SLOW in data else "ended"
        data += chunk
    return "open"
