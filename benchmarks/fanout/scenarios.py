"""The scenarios of deliveries: hot, sparse and flood; others are in modules beside."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.fanout import targets
from benchmarks.fanout.delivery import Delivery, Load, followed
from benchmarks.fanout.limits import (
    FLOOD_P99_MS,
    FLOOD_PER_S,
    HOT_RATIOS,
    SPARSE_RATIOS,
    Verdict,
    at_least,
    at_most,
    compare,
    medians,
    must,
)
from benchmarks.fanout.peers import Peers, Unavailable

FLOOD_RATES = (1000, 2000, 2500, 3000, 4000, 5000, 6000, 8000)
FLOOD_RSS_MB = 600.0  # of feed and web process: 1,000 clients, queues of 1 MiB at most

Print = Callable[..., None]
OURS = {"unified": targets.unified, "gateway": targets.gateway}


class Setup(NamedTuple):
    """What a run was asked for; ``peers`` None: nobody to compare with."""

    redis_port: int
    runs: int
    seconds: float
    scale: float
    dialect: str
    peers_folder: Path | None
    node_modules: Path | None
    say: Print

    def count(self, number: int) -> int:
        """Return a number of clients at this run's scale."""
        return max(1, round(number * self.scale))

    @contextlib.contextmanager
    def ours(self, **settings: str) -> Iterator[targets.Target]:
        """Run our server."""
        with OURS[self.dialect](self.redis_port, **settings) as target:
            yield target

    @property
    def peers(self) -> Peers | None:
        """The peers, if their files were named."""
        if self.peers_folder is None:
            return None
        return Peers(self.peers_folder, self.node_modules, self.redis_port)


def hot(setup: Setup) -> list[Verdict]:
    """One symbol, 1,000 clients, 100 records a second."""
    load = Load(setup.count(1000), 1, 100, setup.seconds)
    runs = _alternate(setup, "hot", load, HOT_RATIOS)
    return compare(runs, HOT_RATIOS, compares_latency=True)


def sparse(setup: Setup) -> list[Verdict]:
    """50 topics with 20 clients each, 1,000 records a second."""
    load = Load(setup.count(20) * 50, 50, 1000, setup.seconds)
    runs = _alternate(setup, "sparse", load, SPARSE_RATIOS)
    return compare(runs, SPARSE_RATIOS, compares_latency=False)


def flood(setup: Setup) -> list[Verdict]:
    """One symbol, 1,000 clients, the rate raised until p99 is over the limit."""
    best, rss_mb = 0, 0.0
    with setup.ours() as target:
        for rate in FLOOD_RATES:
            load = Load(setup.count(1000), 1, rate, setup.seconds)
            # Whoever else wakes up on the machine takes more than that; so once more.
            run = _flood_once(setup, target, load) or _flood_once(setup, target, load)
            if run is None:
                break
            best, rss_mb = max(best, run.per_s), max(rss_mb, run.rss_mb)
    return [
        must("some rate is complete and in order", holds=best > 0),
        at_least("deliveries/s, complete and in order", best, FLOOD_PER_S),
        at_most("MB of feed and web process", rss_mb, FLOOD_RSS_MB),
    ]


def _flood_once(setup: Setup, target: targets.Target, load: Load) -> Delivery | None:
    """Return what came of a load, None if that was too much."""
    with followed(target, load) as followers:
        run = followers.measure()
    _say(setup, "flood", run)
    return run if run.is_complete and run.p99_ms <= FLOOD_P99_MS else None


def _alternate(
    setup: Setup, name: str, load: Load, ratios: dict[str, float]
) -> list[Delivery]:
    """Run ours and each peer in turn, so that a slow minute is everybody's."""
    runs, absent = [], set()
    for _ in range(setup.runs):
        for target_name in (setup.dialect, *ratios):
            if target_name in absent:
                continue
            try:
                with (
                    _start(setup, target_name, load) as target,
                    followed(target, load) as followers,
                ):
                    runs.append(followers.measure())
                _say(setup, name, runs[-1])
            except Unavailable as exc:
                absent.add(target_name)
                setup.say(scenario=name, target=target_name, not_run=str(exc))
    setup.say(scenario=name, medians=medians(runs))
    return runs


def _start(
    setup: Setup, name: str, load: Load
) -> AbstractContextManager[targets.Target]:
    if name == setup.dialect:
        return setup.ours()
    if setup.peers is None:
        raise Unavailable("--peers names no folder with its files")
    return setup.peers.running(name, load)


def _say(setup: Setup, name: str, run: Delivery) -> None:
    setup.say(scenario=name, **msgspec.to_builtins(run))
