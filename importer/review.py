"""Looking at a stored chunk: which of its hours without ticks are suspect."""

from dataclasses import dataclass, field
from itertools import chain

from django.db import transaction

from history.timestamps import to_datetime
from importer.hours import HourRange
from importer.instruments import ArchiveInstrument
from importer.ledger import (
    select_empty_hours,
    select_hours,
    store_hours,
    suspect_empty_hours,
)
from importer.models import HourState, ImportHour
from importer.outcomes import HourOutcomes, Outcome
from importer.suspects import MAX_TRIES, find_suspects
from marketdata.market_calendar import is_open

# A gap that is suspect fits in, also one with a week end inside.
AROUND_DAYS = 4

_NO_TICKS = "expected ticks in market hours, found an empty file"


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Finds suspects of one series in one import; ``source`` is what it reads from."""

    series_id: int
    instrument: ArchiveInstrument
    source: str
    # Hours whose try is counted: they are looked at again with the next chunks.
    _counted: set[int] = field(default_factory=set, init=False)

    def review(
        self,
        chunk: HourRange,
        result: HourOutcomes,
        *,
        now_us: int,
    ) -> None:
        """Mark suspect hours in the ledger and in ``result``.

        ``result`` has what became of the chunk, maybe of hours before it. The ledger
        decides, so it does not matter whether an import was killed before this. An hour
        that was asked for often enough stays marked, and is no hole any more.
        """
        window = chunk.widened(AROUND_DAYS)
        if not self._has_doubts(window, result):
            return
        ledger = select_hours(self.series_id, window)
        suspects = find_suspects(
            window.hours(),
            {hour for hour, row in ledger.items() if row.rows},
            is_open=self._is_open,
        )
        missing: list[ImportHour] = []
        empty: list[int] = []
        for hour_us in suspects:
            outcome = result.outcomes.get(hour_us)
            row = ledger.get(hour_us)
            if outcome is Outcome.MISSING and _was_without_ticks(row):
                if hour_us not in self._counted:
                    reason = result.reasons[hour_us]
                    missing.append(self._missing(hour_us, row, reason, now_us=now_us))
                    self._counted.add(hour_us)
            elif row is not None and row.state == HourState.EMPTY:
                empty.append(hour_us)
                if outcome is not None and row.tries < MAX_TRIES:
                    result.set(hour_us, Outcome.SUSPECT, _NO_TICKS)
        self._counted.intersection_update(result.outcomes)
        if missing:
            with transaction.atomic():
                store_hours(missing)
        if empty:
            suspect_empty_hours(self.series_id, empty, detail=_NO_TICKS)

    def _has_doubts(self, window: HourRange, result: HourOutcomes) -> bool:
        """Return whether there are hours without ticks while the market was open."""
        missing = (
            hour_us
            for hour_us, outcome in result.outcomes.items()
            if outcome is Outcome.MISSING
        )
        empty = select_empty_hours(self.series_id, window)
        return any(map(self._is_open, chain(missing, empty)))

    def _is_open(self, hour_us: int) -> bool:
        return is_open(self.instrument.type, hour_us)

    def _missing(
        self, hour_us: int, row: ImportHour | None, reason: str, *, now_us: int
    ) -> ImportHour:
        is_same_source = row is not None and row.source == self.source
        return ImportHour(
            series_id=self.series_id,
            hour=to_datetime(hour_us),
            state=HourState.SUSPECT,
            source=self.source,
            detail=reason,
            tries=row.tries + 1 if row and is_same_source else 1,
            imported_at=to_datetime(now_us),
        )


def _was_without_ticks(row: ImportHour | None) -> bool:
    return row is None or row.state in (HourState.SUSPECT, HourState.FAILED)
