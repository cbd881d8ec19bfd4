"""What became of hours and of an import: the figures that a run reports. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from importer.hours import hour_text
from importer.quality_gate import Flaw
from marketdata.durations import HOUR_US

# Bounds the memory of an import that finds holes for decades; counts stay exact.
MAX_LISTED_HOLES = 1_000


class Outcome(Enum):
    """What an import made of one hour."""

    STORED = "stored"
    EMPTY = "empty"
    UNCHANGED = "unchanged"
    SUSPECT = "suspect"
    FAILED = "failed"
    MISSING = "missing"
    CLOSED = "closed"


HOLES = frozenset({Outcome.SUSPECT, Outcome.FAILED, Outcome.MISSING})


@dataclass(frozen=True, slots=True)
class Hole:
    """Hours in a row that the import should have and has not, for one reason."""

    symbol: str
    hour_us: int
    outcome: Outcome
    reason: str
    hours: int = 1

    @property
    def end_us(self) -> int:
        """The start of the hour after it."""
        return self.hour_us + self.hours * HOUR_US

    def __str__(self) -> str:
        span = hour_text(self.hour_us)
        if self.hours > 1:
            last = hour_text(self.end_us - HOUR_US)
            span = f"{span} to {last} ({self.hours} hours)"
        return f"{self.symbol} {span} {self.outcome.value}: {self.reason}"

    def continues(self, other: "Hole") -> bool:
        """Return whether this one begins where the other, of its kind, ends."""
        return (
            (self.symbol, self.outcome, self.reason)
            == (other.symbol, other.outcome, other.reason)
        ) and self.hour_us == other.end_us

    def as_dict(self) -> dict[str, object]:
        """Return the hole as plain values, for JSON."""
        return {
            "symbol": self.symbol,
            "hour": hour_text(self.hour_us),
            "last": hour_text(self.end_us - HOUR_US),
            "hours": self.hours,
            "state": self.outcome.value,
            "reason": self.reason,
        }


@dataclass(slots=True)
class ImportReport:
    """The figures of a run, or of a part of it; parts add up with `add`.

    ``ticks`` and ``candles`` count rows written, ``dropped`` ticks that were not fit.
    ``holes`` lists the first `MAX_LISTED_HOLES` in the order of time, each as long as
    it is without a gap; ``hours`` counts all.
    """

    hours: Counter[Outcome] = field(default_factory=Counter)
    ticks: int = 0
    candles: int = 0
    elapsed_s: float = 0.0
    holes: list[Hole] = field(default_factory=list)
    dropped: Counter[Flaw] = field(default_factory=Counter)

    @property
    def hole_count(self) -> int:
        """How many hours are holes."""
        return sum(self.hours[outcome] for outcome in HOLES)

    @property
    def unlisted_hours(self) -> int:
        """How many hours of them no listed hole covers."""
        return self.hole_count - sum(hole.hours for hole in self.holes)

    @property
    def ticks_per_s(self) -> float:
        """Ticks written per second of the run, reading and candles included."""
        return self.ticks / self.elapsed_s if self.elapsed_s else 0.0

    def add(self, part: "ImportReport") -> None:
        """Add the figures of a part, all but its time."""
        self.hours.update(part.hours)
        self.ticks += part.ticks
        self.candles += part.candles
        self.dropped.update(part.dropped)
        self.holes = list(joined([*self.holes, *part.holes]))[:MAX_LISTED_HOLES]

    def as_dict(self) -> dict[str, object]:
        """Return the report as plain values, for JSON."""
        return {
            "hours": {outcome.value: self.hours[outcome] for outcome in Outcome},
            "ticks": self.ticks,
            "dropped": {flaw.value: self.dropped[flaw] for flaw in Flaw},
            "candles": self.candles,
            "elapsed_s": round(self.elapsed_s, 3),
            "ticks_per_s": round(self.ticks_per_s),
            "hole_hours": self.hole_count,
            "holes": [hole.as_dict() for hole in self.holes],
        }


@dataclass(slots=True)
class HourOutcomes:
    """What became of each hour of a stretch, in order, and why it is no good.

    ``ticks`` and ``dropped`` are of all hours together.
    """

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    ticks: int = 0
    dropped: Counter[Flaw] = field(default_factory=Counter)

    def set(self, hour_us: int, outcome: Outcome, reason: str = "") -> None:
        """Say what became of an hour, instead of what was said before."""
        self.outcomes[hour_us] = outcome
        if reason:
            self.reasons[hour_us] = reason

    def add(self, other: "HourOutcomes") -> None:
        """Add later hours."""
        self.outcomes |= other.outcomes
        self.reasons |= other.reasons
        self.ticks += other.ticks
        self.dropped.update(other.dropped)

    def take_before(self, end_us: int) -> "HourOutcomes":
        """Return what is known of the hours before ``end_us``, and forget them.

        The sums go with them.
        """
        hours = [hour_us for hour_us in self.outcomes if hour_us < end_us]
        taken = HourOutcomes(
            {hour_us: self.outcomes.pop(hour_us) for hour_us in hours},
            {hour: self.reasons.pop(hour) for hour in hours if hour in self.reasons},
            self.ticks,
            self.dropped,
        )
        self.ticks, self.dropped = 0, Counter()
        return taken

    def report(self, symbol: str) -> ImportReport:
        """Return the figures."""
        holes = (
            Hole(symbol, hour_us, outcome, self.reasons.get(hour_us, ""))
            for hour_us, outcome in self.outcomes.items()
            if outcome in HOLES
        )
        return ImportReport(
            hours=Counter(self.outcomes.values()),
            ticks=self.ticks,
            holes=list(joined(holes))[:MAX_LISTED_HOLES],
            dropped=self.dropped,
        )


def joined(holes: Iterable[Hole]) -> Iterator[Hole]:
    """Yield the holes with those that continue each other as one."""
    last: Hole | None = None
    for hole in holes:
        if last and hole.continues(last):
            last = replace(last, hours=last.hours + hole.hours)
            continue
        if last:
            yield last
        last = hole
    if last:
        yield last
