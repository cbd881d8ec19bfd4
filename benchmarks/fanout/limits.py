"""What must hold, and which of it did not: ratios count, figures of a day do not."""

import statistics
from collections.abc import Iterable, Sequence

import msgspec

from benchmarks.fanout.delivery import Delivery

# Limits of CPU per delivery, feed and web process together, against a peer's.
HOT_RATIOS = {"nchan": 1.15, "node": 0.85, "c-loop": 1.8}
SPARSE_RATIOS = {"node": 1.0}
FLOOD_PER_S = 2_500_000
FLOOD_P99_MS = 250.0
IDLE_KB = 30.0
STORM_PER_S = 700.0
STORM_P99_MS = 250.0
SLOW_GROWTH_MB = 20.0
LOAD_P99_MS = 100.0  # COMPAT 12 and 66
SOAK_IDLE_KB = 100.0
LOG_LINES_PER_S = 1.0


class Verdict(msgspec.Struct, frozen=True):
    """A figure beside its limit; ``limit`` says whether it is the least or the most."""

    what: str
    found: float
    limit: str
    holds: bool


def at_most(what: str, found: float, limit: float) -> Verdict:
    """Return whether a figure is small enough."""
    return Verdict(what, round(found, 3), f"<= {limit}", found <= limit)


def at_least(what: str, found: float, limit: float) -> Verdict:
    """Return whether a figure is large enough."""
    return Verdict(what, round(found, 3), f">= {limit}", found >= limit)


def must(what: str, *, holds: bool) -> Verdict:
    """Return whether something is as it must be."""
    return Verdict(what, float(holds), "= 1", holds)


def compare(
    runs: Sequence[Delivery], ratios: dict[str, float], *, compares_latency: bool
) -> list[Verdict]:
    """Return our medians beside those of the peers that ran."""
    ours = [run for run in runs if run.target not in ratios]
    verdicts = [must("complete and in order", holds=all(r.is_complete for r in ours))]
    for peer, limit in ratios.items():
        theirs = [run for run in runs if run.target == peer]
        if theirs:
            ratio = _median(r.us_cpu for r in ours) / _median(r.us_cpu for r in theirs)
            verdicts.append(at_most(f"CPU per delivery / {peer}'s", ratio, limit))
        if theirs and peer == "node" and compares_latency:
            mine, other = (_median(r.p99_ms for r in group) for group in (ours, theirs))
            verdicts.append(at_most("p99 / node's", mine / other, 1.0))
    return verdicts


def medians(runs: Sequence[Delivery]) -> dict[str, dict[str, float]]:
    """Return the medians of each target's runs."""
    names = dict.fromkeys(run.target for run in runs)
    return {
        name: {
            field: round(
                _median(getattr(r, field) for r in runs if r.target == name), 3
            )
            for field in ("us_cpu", "p50_ms", "p99_ms", "per_s")
        }
        for name in names
    }


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)
