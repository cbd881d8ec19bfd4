"""`make bench-fanout`: figures as JSON lines, exit code 1 if a limit is missed.

    python -m benchmarks.fanout [scenario ...] [--dialect gateway] [--peers FOLDER]

Server and feed run on the first core, clients and foreign sources on the last. Each
scenario has servers and a Redis of its own. Compare ratios, and only of one run.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.fanout.connections import idle, storm
from benchmarks.fanout.limits import Verdict
from benchmarks.fanout.processes import client_core, running_redis
from benchmarks.fanout.scenarios import Setup, flood, hot, sparse
from benchmarks.fanout.slow import slow
from benchmarks.fanout.soak import compat_12, compat_66

SCENARIOS: dict[str, Callable[[Setup], list[Verdict]]] = {
    "hot": hot,
    "sparse": sparse,
    "flood": flood,
    "idle": idle,
    "storm": storm,
    "slow": slow,
    "compat-12": compat_12,
    "compat-66": compat_66,
}
# Of the unified dialect alone.
_UNIFIED_ONLY = {"idle", "storm", "slow", "compat-12", "compat-66"}


def say(**fields: Any) -> None:
    """Print a line of JSON."""
    print(json.dumps(fields), flush=True)


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options of a command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fanout")
    # `choices` would refuse that there are none.
    parser.add_argument("scenarios", nargs="*", help=" ".join(SCENARIOS))
    parser.add_argument("--dialect", choices=["unified", "gateway"], default="unified")
    parser.add_argument(
        "--runs", type=int, default=5, help="of which the medians count"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of one run")
    parser.add_argument("--scale", type=float, default=1.0, help="of clients and times")
    parser.add_argument(
        "--peers",
        type=Path,
        default=os.environ.get("BENCH_PEERS") and Path(os.environ["BENCH_PEERS"]),
        help="folder with the peers' files (BENCH_PEERS)",
    )
    parser.add_argument(
        "--node-modules",
        type=Path,
        default=os.environ.get("BENCH_NODE_MODULES")
        and Path(os.environ["BENCH_NODE_MODULES"]),
        help="folder with ws and ioredis (BENCH_NODE_MODULES)",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Run the named scenarios, or all; return 1 if a limit was missed."""
    options = parse_arguments(argv)
    unknown = set(options.scenarios) - SCENARIOS.keys()
    if unknown:
        print(f"expected some of {', '.join(SCENARIOS)}, found {', '.join(unknown)}")
        return 64
    os.sched_setaffinity(0, {client_core()})
    is_missed = False
    for name in options.scenarios or SCENARIOS:
        if options.dialect != "unified" and name in _UNIFIED_ONLY:
            continue
        with running_redis() as redis_port:
            setup = Setup(
                redis_port=redis_port,
                runs=options.runs,
                seconds=options.seconds,
                scale=options.scale,
                dialect=options.dialect,
                peers_folder=options.peers,
                node_modules=options.node_modules,
                say=say,
            )
            verdicts = SCENARIOS[name](setup)
        for verdict in verdicts:
            say(scenario=name, **msgspec.to_builtins(verdict))
        is_missed |= not all(verdict.holds for verdict in verdicts)
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
