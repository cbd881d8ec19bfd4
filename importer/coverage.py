"""What is had of each hour of a range, in what stretches it is not, per day and month.

Pure: hours as the ledger knows them and a calendar in, values out.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from history.timestamps import to_datetime
from importer.hours import HourRange, day_text
from marketdata.durations import HOUR_US


class Cover(Enum):
    """What is had of one hour; `importer.models.HourState` and MISSING."""

    STORED = "stored"
    EMPTY = "empty"
    SUSPECT = "suspect"
    FAILED = "failed"
    CLOSED = "closed"
    MISSING = "missing"
    DROPPED = "dropped"


# What an import should still get.
GAPS = frozenset({Cover.MISSING, Cover.FAILED, Cover.SUSPECT})


@dataclass(frozen=True, slots=True)
class CoveredHour:
    """What is had of the hour that starts at ``hour_us``."""

    hour_us: int
    state: Cover
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch [``start_us``, ``end_us``) of hours that are not had, for one reason.

    Hours in which the market was closed do not end a gap: a month that was never
    imported is one gap.
    """

    start_us: int
    end_us: int
    reason: Cover


@dataclass(slots=True)
class Period:
    """The hours and rows of a day (`2019-02-04`) or a month (`2019-02`)."""

    name: str
    hours: Counter[Cover] = field(default_factory=Counter)
    rows: int = 0

    def add(self, item: CoveredHour) -> None:
        """Count an hour."""
        self.hours[item.state] += 1
        self.rows += item.rows


def cover_hours(
    known: Mapping[int, tuple[Cover, int]],
    hours: HourRange,
    *,
    is_closed: Callable[[int], bool],
) -> list[CoveredHour]:
    """Return each hour of the range, oldest first.

    ``known`` maps an hour to its state and rows; others are closed if the calendar says
    so, and missing otherwise.
    """
    return [_cover(hour_us, known.get(hour_us), is_closed) for hour_us in hours.hours()]


def _cover(
    hour_us: int, known: tuple[Cover, int] | None, is_closed: Callable[[int], bool]
) -> CoveredHour:
    if known is not None:
        return CoveredHour(hour_us, *known)
    state = Cover.CLOSED if is_closed(hour_us) else Cover.MISSING
    return CoveredHour(hour_us, state)


def find_gaps(covered: Iterable[CoveredHour]) -> list[Gap]:
    """Return the gaps among hours that are given oldest first."""
    gaps: list[Gap] = []
    is_open = False
    for item in covered:
        if item.state in GAPS:
            if is_open and gaps[-1].reason is item.state:
                gaps[-1] = Gap(gaps[-1].start_us, item.hour_us + HOUR_US, item.state)
            else:
                gaps.append(Gap(item.hour_us, item.hour_us + HOUR_US, item.state))
            is_open = True
        elif item.state is not Cover.CLOSED:
            is_open = False
    return gaps


def by_day(covered: Iterable[CoveredHour]) -> list[Period]:
    """Return the UTC days of hours that are given oldest first."""
    return list(_periods((day_text(item.hour_us), item) for item in covered))


def by_month(covered: Iterable[CoveredHour]) -> list[Period]:
    """Return the UTC months of hours that are given oldest first."""
    return list(
        _periods((f"{to_datetime(item.hour_us):%Y-%m}", item) for item in covered)
    )


def total(covered: Sequence[CoveredHour]) -> Period:
    """Return the hours and rows of all of them."""
    whole = Period("total")
    for item in covered:
        whole.add(item)
    return whole


def _periods(named: Iterable[tuple[str, CoveredHour]]) -> Iterator[Period]:
    period: Period | None = None
    for name, item in named:
        if period is None or period.name != name:
            if period is not None:
                yield period
            period = Period(name)
        period.add(item)
    if period is not None:
        yield period
