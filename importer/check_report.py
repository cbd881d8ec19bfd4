"""A check as tables for a terminal, and as plain text elsewhere."""

from collections.abc import Iterable, Iterator, Sequence

from rich.table import Table

from importer.coverage import Cover, Period, by_day, by_month, total
from importer.findings import SeriesCheck
from importer.hours import hour_text
from marketdata.durations import HOUR_US

# Longer ranges show months alone; --json has the days too.
MAX_SHOWN_DAYS = 62


def heading(check: SeriesCheck) -> str:
    """Return what was checked and what is had of it, in a line."""
    if check.hours is None:
        return f"{check.symbol} ({check.broker})"
    first = hour_text(check.hours.start_us)
    last = hour_text(check.hours.end_us - HOUR_US)
    whole = total(check.covered)
    counts = ", ".join(f"{whole.hours[s]:,} {s.value}" for s in Cover if whole.hours[s])
    return (
        f"{check.symbol} ({check.broker}), {first} to {last}: "
        f"{whole.rows:,} ticks; hours: {counts}"
    )


def tables(check: SeriesCheck) -> Iterator[Table]:
    """Yield the coverage per month and per day."""
    for title, periods in _shown(check):
        table = Table(title=title, title_justify="left")
        table.add_column(title.rpartition(" ")[2])
        for name in ("ticks", *(state.value for state in Cover)):
            table.add_column(name, justify="right")
        for period in periods:
            table.add_row(period.name, f"{period.rows:,}", *_counts(period))
        yield table


def lines(check: SeriesCheck) -> Iterator[str]:
    """Yield the same as lines of text, with blanks between."""
    for title, periods in _shown(check):
        name = title.rpartition(" ")[2]
        states = " ".join(f"{state.value:>8}" for state in Cover)
        yield f"{name:10} {'ticks':>12} {states}"
        for period in periods:
            counts = " ".join(f"{count:>8}" for count in _counts(period))
            yield f"{period.name:10} {period.rows:>12,} {counts}"


def faults(check: SeriesCheck) -> Iterator[str]:
    """Yield what was found, a line each."""
    for item in check.findings:
        yield f"{check.symbol} {item.kind.value}: {item.text}"
    hidden = check.counts.total() - len(check.findings)
    if hidden:
        yield f"{check.symbol}: and {hidden:,} findings more"


def _shown(check: SeriesCheck) -> Iterable[tuple[str, Sequence[Period]]]:
    if not check.covered:
        return
    yield f"{check.symbol} per month", by_month(check.covered)
    days = by_day(check.covered)
    if len(days) <= MAX_SHOWN_DAYS:
        yield f"{check.symbol} per day", days


def _counts(period: Period) -> list[str]:
    return [str(period.hours[state] or "") for state in Cover]
