"""COMPAT 12 and 66: some that follow among many that are idle, for long."""

from benchmarks.fanout.connections import SETTLE_S, WELCOME
from benchmarks.fanout.delivery import Followers, Load
from benchmarks.fanout.limits import (
    LOAD_P99_MS,
    LOG_LINES_PER_S,
    SOAK_IDLE_KB,
    Verdict,
    at_most,
    must,
)
from benchmarks.fanout.scenarios import Setup
from benchmarks.fanout.streams import Stream
from benchmarks.fanout.swarm import Swarm
from benchmarks.fanout.targets import UNIFIED_MARKS

COMPAT_12 = Load(clients=100, topics=1, rate=200, seconds=60)
COMPAT_12_IDLE = 1_000
COMPAT_66 = Load(clients=500, topics=5, rate=100, seconds=300)
COMPAT_66_IDLE = 5_000
HEARTBEAT_S = 30  # as users have it: the idle ones answer pings


def compat_12(setup: Setup) -> list[Verdict]:
    """100 clients follow, 1,000 are idle, 200 records a second for a minute."""
    return _mixed(setup, "compat-12", COMPAT_12, COMPAT_12_IDLE)


def compat_66(setup: Setup) -> list[Verdict]:
    """5,000 idle and 500 active clients for five minutes."""
    return _mixed(setup, "compat-66", COMPAT_66, COMPAT_66_IDLE)


def _mixed(setup: Setup, name: str, load: Load, idle: int) -> list[Verdict]:
    load = load._replace(
        clients=setup.count(load.clients // load.topics) * load.topics,
        seconds=max(3.0, load.seconds * setup.scale),
    )
    idle = setup.count(idle)
    heartbeat_s = str(HEARTBEAT_S * setup.scale)
    with (
        setup.ours(HEARTBEAT_S=heartbeat_s) as target,
        Swarm.on(target.port) as swarm,
    ):
        followers = Followers(target, swarm, load)
        swarm.rest(SETTLE_S)
        before = target.web.rss_kb()
        quiet = Stream(UNIFIED_MARKS)
        clients = swarm.connect([(WELCOME, quiet)] * idle)
        swarm.rest(SETTLE_S)
        idle_kb = (target.web.rss_kb() - before) / idle
        lines = target.web.log_text().count("\n")
        run = followers.measure()
        lines = target.web.log_text().count("\n") - lines
        left = sum(client.is_closed for client in clients)
    setup.say(
        scenario=name,
        idle=idle,
        idle_left=left,
        kb_per_idle=round(idle_kb, 1),
        log_lines=lines,
        seconds=load.seconds,
        **{field: getattr(run, field) for field in run.__struct_fields__},
    )
    return [
        must("complete and in order", holds=run.is_complete),
        must("no idle client was closed", holds=left == 0),
        at_most("p99 ms", run.p99_ms, LOAD_P99_MS),
        at_most("KB per idle connection", idle_kb, SOAK_IDLE_KB),
        at_most("log lines/s", lines / load.seconds, LOG_LINES_PER_S),
    ]
