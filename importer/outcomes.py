"""What became of hours and of an import: the figures that a run reports. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from importer.hours import hour_text

# Bounds the memory of an import that finds nothing for years; counts stay exact.
MAX_LISTED_HOLES = 1_000


class Outcome(Enum):
    """What an import made of one hour."""

    STORED = "stored"
    EMPTY = "empty"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    MISSING = "missing"
    CLOSED = "closed"


HOLES = frozenset({Outcome.FAILED, Outcome.MISSING})


@dataclass(frozen=True, slots=True)
class Hole:
    """An hour that the import should have and has not, and why."""

    symbol: str
    hour_us: int
    outcome: Outcome
    reason: str

    def __str__(self) -> str:
        hour = hour_text(self.hour_us)
        return f"{self.symbol} {hour} {self.outcome.value}: {self.reason}"


@dataclass(slots=True)
class ImportReport:
    """The figures of a run, or of a part of it; parts add up with `add`.

    ``ticks`` and ``candles`` count rows written. ``holes`` lists the first
    `MAX_LISTED_HOLES`; ``hours`` counts all.
    """

    hours: Counter[Outcome] = field(default_factory=Counter)
    ticks: int = 0
    candles: int = 0
    elapsed_s: float = 0.0
    holes: list[Hole] = field(default_factory=list)

    @property
    def hole_count(self) -> int:
        """How many hours are holes."""
        return sum(self.hours[outcome] for outcome in HOLES)

    @property
    def ticks_per_s(self) -> float:
        """Ticks written per second of the run, reading and candles included."""
        return self.ticks / self.elapsed_s if self.elapsed_s else 0.0

    def add(self, part: "ImportReport") -> None:
        """Add the figures of a part, all but its time."""
        self.hours.update(part.hours)
        self.ticks += part.ticks
        self.candles += part.candles
        room = MAX_LISTED_HOLES - len(self.holes)
        self.holes.extend(part.holes[:room])

    def as_dict(self) -> dict[str, object]:
        """Return the report as plain values, for JSON."""
        return {
            "hours": {outcome.value: self.hours[outcome] for outcome in Outcome},
            "ticks": self.ticks,
            "candles": self.candles,
            "elapsed_s": round(self.elapsed_s, 3),
            "ticks_per_s": round(self.ticks_per_s),
            "holes": [
                {
                    "symbol": hole.symbol,
                    "hour": hour_text(hole.hour_us),
                    "state": hole.outcome.value,
                    "reason": hole.reason,
                }
                for hole in self.holes
            ],
        }
