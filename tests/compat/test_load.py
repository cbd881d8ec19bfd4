"""COMPAT checks 12 and 66 with a part of the load of `make bench-fanout`."""

from collections.abc import Callable

import pytest

from benchmarks.fanout.limits import Verdict
from benchmarks.fanout.processes import running_redis
from benchmarks.fanout.scenarios import Setup
from benchmarks.fanout.soak import compat_12, compat_66

# The limit is 100 ms on a machine that does nothing else, which this one may.
P99_MS = 1_000.0


@pytest.mark.parametrize(
    ("scenario", "scale"), [(compat_12, 1 / 20), (compat_66, 1 / 60)]
)
def test_compat_12_and_66_followers_lose_nothing_among_idle_clients(
    scenario: Callable[[Setup], list[Verdict]], scale: float
) -> None:
    with running_redis() as redis_port:
        setup = Setup(
            redis_port=redis_port,
            runs=1,
            seconds=1.0,
            scale=scale,
            dialect="unified",
            peers_folder=None,
            node_modules=None,
            say=lambda **fields: None,
        )

        verdicts = {verdict.what: verdict for verdict in scenario(setup)}

    late = verdicts.pop("p99 ms")
    assert [verdict for verdict in verdicts.values() if not verdict.holds] == []
    assert late.found < P99_MS
