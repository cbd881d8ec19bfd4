"""What `import_ticks` prints: the lines of a summary, for people."""

from collections.abc import Iterable, Iterator, Sequence

from importer.dry_run import SeriesPlan
from importer.hours import HourRange, hour_text
from importer.outcomes import ImportReport, Outcome
from importer.quality_gate import Flaw
from marketdata.durations import HOUR_US

# A terminal has room for so many; --json has more.
MAX_LINES = 100


def report_lines(report: ImportReport) -> Iterator[str]:
    """Yield the figures of an import, and a line for each stretch that is missing."""
    counts = ", ".join(f"{report.hours[item]:,} {item.value}" for item in Outcome)
    yield f"hours: {counts}"
    yield (
        f"ticks: {report.ticks:,} in {report.elapsed_s:.2f} s "
        f"({report.ticks_per_s:,.0f} ticks/s)"
    )
    if report.dropped:
        flaws = (f"{report.dropped[flaw]:,} {flaw.value}" for flaw in Flaw)
        yield f"ticks dropped: {report.dropped.total():,} ({', '.join(flaws)})"
    yield f"candles refreshed: {report.candles:,}"
    shown = report.holes[:MAX_LINES]
    yield from map(str, shown)
    hidden = report.hole_count - sum(hole.hours for hole in shown)
    if hidden:
        yield f"and {hidden:,} hours more"


def plan_lines(plans: Iterable[SeriesPlan], *, seconds: float | None) -> Iterator[str]:
    """Yield what a dry run found; ``seconds`` is what the fetching takes, if known."""
    fetched = 0
    for plan in plans:
        states = ", ".join(f"{count:,} {name}" for name, count in plan.states.items())
        ticks = "" if plan.ticks is None else f", about {plan.ticks:,} ticks"
        yield f"{plan.symbol}, {span_text(plan.hours)}: {states}"
        yield f"{plan.symbol}: {plan.fetched:,} hours would be fetched{ticks}"
        fetched += plan.fetched
    if seconds is not None:
        yield f"at least {seconds:,.0f} s for {fetched:,} requests"
    yield "nothing was fetched or written"


def plan_dict(plan: SeriesPlan) -> dict[str, object]:
    """Return a dry run's plan as plain values, for JSON."""
    return {
        "symbol": plan.symbol,
        "first": hour_text(plan.hours.start_us),
        "last": hour_text(plan.hours.end_us - HOUR_US),
        "hours": dict(plan.states),
        "fetched": plan.fetched,
        "ticks": plan.ticks,
    }


def head_line(symbols: Sequence[str], hours: HourRange | None, source: str) -> str:
    """Return the line that says what was imported from where."""
    span = span_text(hours) if hours else "all that is stored"
    return f"{', '.join(symbols)}, {span}, from {source}"


def span_text(hours: HourRange) -> str:
    """Return a range as people read it."""
    return f"{hour_text(hours.start_us)} to {hour_text(hours.end_us - HOUR_US)}"
