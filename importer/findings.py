"""What a check of stored series found. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from importer.coverage import (
    CoveredHour,
    Gap,
    Period,
    by_day,
    by_month,
    find_gaps,
    total,
)
from importer.hours import HourRange, hour_text
from marketdata.durations import HOUR_US

# Of one kind and series: a table that lost a year would name 8,760 hours.
MAX_LISTED = 100


class Kind(Enum):
    """What is wrong."""

    GAP = "gap"  # hours that an import should still get
    ROWS = "rows"  # an hour's rows are not those of the ledger
    STATISTICS = "statistics"  # of the series, against its rows
    CANDLES = "candles"  # an hour's candle is not of its ticks
    NOTES = "notes"  # changes that no refresh has seen for long
    INDEX = "index"  # missing or invalid
    SERIES = "series"  # nothing is stored


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, as a sentence."""

    kind: Kind
    text: str


@dataclass(slots=True)
class SeriesCheck:
    """What is had of a series in a range, and what is wrong with it.

    ``counts`` has all findings, ``findings`` the first `MAX_LISTED` of each kind.
    """

    symbol: str
    broker: str
    hours: HourRange | None = None
    covered: list[CoveredHour] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[Kind] = field(default_factory=Counter)

    @property
    def gaps(self) -> list[Gap]:
        """The gaps of the range, oldest first."""
        return find_gaps(self.covered)

    def add(self, kind: Kind, text: str) -> None:
        """Add a finding."""
        self.counts[kind] += 1
        if self.counts[kind] <= MAX_LISTED:
            self.findings.append(Finding(kind, text))

    def as_dict(self) -> dict[str, object]:
        """Return the check as plain values, for JSON; both ends of a gap are hours."""
        return {
            "symbol": self.symbol,
            "broker": self.broker,
            "first": hour_text(self.hours.start_us) if self.hours else None,
            "last": hour_text(self.hours.end_us - HOUR_US) if self.hours else None,
            "rows": total(self.covered).rows,
            "months": [_period(item) for item in by_month(self.covered)],
            "days": [_period(item) for item in by_day(self.covered)],
            "gaps": [
                {
                    "from": hour_text(gap.start_us),
                    "to": hour_text(gap.end_us - HOUR_US),
                    "reason": gap.reason.value,
                }
                for gap in self.gaps
            ],
            "findings": [
                {"kind": item.kind.value, "text": item.text} for item in self.findings
            ],
            "finding_count": self.counts.total(),
        }


def _period(period: Period) -> dict[str, object]:
    return {
        "name": period.name,
        "rows": period.rows,
        "hours": {state.value: count for state, count in period.hours.items()},
    }
