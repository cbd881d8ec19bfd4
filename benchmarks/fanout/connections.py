"""Scenarios of many connections: what an idle one costs, a storm of connects."""

import time

import numpy

from benchmarks.fanout.clients import Client, Request
from benchmarks.fanout.delivery import Followers, Load, percentiles
from benchmarks.fanout.limits import (
    IDLE_KB,
    STORM_P99_MS,
    STORM_PER_S,
    Verdict,
    at_least,
    at_most,
    must,
)
from benchmarks.fanout.scenarios import Setup
from benchmarks.fanout.swarm import Swarm
from benchmarks.fanout.targets import unified_request

IDLE = 10_000
STORM = 5_000
AT_ONCE = (
    2_000  # of a storm, in the middle of connecting; the server's backlog is 2,048
)
RUNNING = Load(clients=200, topics=1, rate=100, seconds=0)  # 20,000 deliveries a second
STORM_LEAD_S = 2.0
SETTLE_S = 3.0
WELCOME = Request("/", (), b"Connected to")


def idle(setup: Setup) -> list[Verdict]:
    """10,000 connections that are welcomed; on a new server, that follow a topic."""
    count = setup.count(IDLE)
    welcomed_kb = _kb_each(setup, WELCOME, count)
    following_kb = _kb_each(setup, unified_request(0), count)
    return [
        at_most("KB per idle connection", welcomed_kb, IDLE_KB),
        at_most("KB per idle connection that follows a topic", following_kb, IDLE_KB),
    ]


def _kb_each(setup: Setup, request: Request, count: int) -> float:
    with setup.ours() as target, Swarm.on(target.port) as swarm:
        # What a process needs once, whoever connects.
        swarm.connect([(unified_request(0), None)] * 20)
        swarm.rest(SETTLE_S)
        before_kb, started = target.web.rss_kb(), time.monotonic()
        swarm.connect([(request, None)] * count)
        seconds = time.monotonic() - started
        swarm.rest(SETTLE_S)
        kb_each = (target.web.rss_kb() - before_kb) / count
    setup.say(
        scenario="idle",
        clients=count,
        follows=request is not WELCOME,
        kb_each=round(kb_each, 1),
        connected_per_s=round(count / seconds),
    )
    return kb_each


def storm(setup: Setup) -> list[Verdict]:
    """5,000 clients come back at once while 20,000 deliveries a second go on."""
    count = setup.count(STORM)
    # The quiet ones follow another topic, as most of those that come back would.
    quiet = unified_request(1)
    with setup.ours() as target, Swarm.on(target.port) as swarm:
        old = swarm.connect([(quiet, None)] * count)
        swarm.rest(SETTLE_S)
        seconds = 4 * STORM_LEAD_S + count / 300
        running = Followers(target, swarm, RUNNING._replace(seconds=seconds))
        target.source.start(RUNNING.rate, 1, seconds)
        swarm.rest(STORM_LEAD_S)
        swarm.drop(old)
        begun_us, started = time.time_ns() // 1_000, time.monotonic()
        came = swarm.connect([(quiet, None)] * count, at_once=AT_ONCE)
        ended_us = time.time_ns() // 1_000
        swarm.run(lambda: target.source.sent() is not None, timeout_s=seconds + 30)
        swarm.rest(1.0)
        return _storm_verdicts(
            setup, running, _served_per_s(came, started), (begun_us, ended_us)
        )


def _served_per_s(came: list[Client], started: float) -> float:
    return len(came) / (max(client.ready_s for client in came) - started)


def _storm_verdicts(
    setup: Setup, running: Followers, served_per_s: float, storm_us: tuple[int, int]
) -> list[Verdict]:
    stream = running.streams[0]
    late_us, at_us = stream.latencies_us(), stream.delivered_us()
    during = late_us[(at_us >= storm_us[0]) & (at_us <= storm_us[1])] / 1e3
    figures = percentiles(during)
    is_complete = running.is_complete()
    setup.say(
        scenario="storm",
        served_per_s=round(served_per_s),
        running_deliveries=int(numpy.size(during)),
        running_complete=is_complete,
        **figures,
    )
    return [
        must("the running clients lost nothing", holds=is_complete),
        at_least("clients served/s", served_per_s, STORM_PER_S),
        at_most(
            "p99 ms of the running ones meanwhile", figures["p99_ms"], STORM_P99_MS
        ),
    ]
