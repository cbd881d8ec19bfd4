"""Choosing what to read again: hours whose rows are not what the ledger says.

A repair is an import (`importer.import_ticks`) that reads these hours, and so stores
them as any import does: an hour whose file gives what is stored stays untouched.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

from django.db import connection, transaction

from history.candle_refresh import refresh_candles
from history.changed_ranges import note_changed_ranges
from history.models import Series
from history.series import get_or_create_series
from history.series_recount import correct_statistics
from importer.candle_check import select_wrong_candles
from importer.hours import HourRange
from importer.import_ticks import import_ticks, range_of
from importer.instruments import ARCHIVE, ArchiveInstrument, select_instruments
from importer.ledger import DONE
from importer.models import HourState, ImportHour
from importer.orders import ImportOrder, Progress
from importer.outcomes import ImportReport
from importer.stored_rows import RowCount, checksum_hours, count_hours
from marketdata.durations import HOUR_US

# Differs from every checksum and from the empty one of an hour without ticks.
_DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class RepairPick:
    """Picks the hours of a chunk that a repair reads.

    ``is_all`` picks every hour but for those that the retention dropped: what the
    provider revised is seen only by fetching it.
    """

    is_all: bool = False
    replaces_live: bool = False

    def __call__(
        self, series_id: int, chunk: HourRange, known: Mapping[int, ImportHour]
    ) -> tuple[Mapping[int, ImportHour], Collection[int]]:
        """Return the ledger to go by, and the hours to read.

        Damaged hours have no valid checksum in it: whatever is read replaces them, and
        if nothing can be read, they stay as they are.
        """
        counts = count_hours(series_id, chunk)
        damaged = _damaged(series_id, chunk, known, counts)
        ledger = {
            hour_us: _without_checksum(row) if hour_us in damaged else row
            for hour_us, row in known.items()
        }
        live = {hour for hour, rows in counts.items() if rows.live}
        wanted = {
            hour_us
            for hour_us in chunk.hours()
            if hour_us in damaged
            or self._is_wanted(known.get(hour_us))
            or (self.replaces_live and hour_us in live)
        }
        return ledger, wanted

    def _is_wanted(self, known: ImportHour | None) -> bool:
        if known is not None and known.state == HourState.DROPPED:
            return False
        # Also what was asked for often enough: somebody asks for it now.
        return self.is_all or known is None or known.state not in DONE


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a repair did; ``corrected`` are symbols whose statistics were wrong."""

    imported: ImportReport
    corrected: Sequence[str]

    def as_dict(self) -> dict[str, object]:
        """Return the report as plain values, for JSON."""
        return self.imported.as_dict() | {"statistics_corrected": list(self.corrected)}


def repair_ticks(
    order: ImportOrder, progress: Progress, *, now_us: Callable[[], int]
) -> RepairReport:
    """Do an order that has a `RepairPick`, then set candles and statistics right.

    Raises:
        InvalidRange, django.db.Error: as `importer.import_ticks.import_ticks`.
    """
    report = import_ticks(order, progress, now_us=now_us)
    corrected = []
    for instrument in order.instruments:
        series_id = get_or_create_series(instrument.symbol, ARCHIVE).pk
        hours = range_of(order, series_id, instrument.symbol)
        correct_candles(
            series_id, hours, has_refresh=order.has_refresh, now_us=now_us()
        )
        if correct_statistics(series_id):
            corrected.append(instrument.symbol)
    return RepairReport(report, corrected)


def correct_candles(
    series_id: int, hours: HourRange, *, has_refresh: bool, now_us: int
) -> None:
    """Have the candles computed again that do not count the ticks of their hour."""
    wrong = select_wrong_candles(series_id, hours, count_hours(series_id, hours))
    if not wrong:
        return
    notes = [
        (series_id, item.hour_us, item.hour_us + HOUR_US, now_us) for item in wrong
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        note_changed_ranges(cursor, notes)
    if has_refresh:
        refresh_candles([series_id], now_us=now_us)


def select_repairable() -> list[ArchiveInstrument]:
    """Return the instruments that were imported."""
    series = Series.objects.filter(broker=ARCHIVE).exclude(latest=None)
    symbols = series.values_list("instrument__symbol", flat=True)
    return select_instruments(
        list(symbols.values_list("instrument__symbol", flat=True))
    )


def _damaged(
    series_id: int,
    chunk: HourRange,
    known: Mapping[int, ImportHour],
    counts: Mapping[int, RowCount],
) -> set[int]:
    """Return the hours whose imported rows differ from the ledger's."""
    expected = {hour: row.rows for hour, row in known.items() if row.rows}
    found = {hour: rows.imported for hour, rows in counts.items() if rows.imported}
    damaged = {
        hour_us
        for hour_us in expected.keys() | found.keys()
        if expected.get(hour_us) != found.get(hour_us)
    }
    for day in chunk.days():
        for hour_us, checksum in checksum_hours(series_id, day):
            if hour_us in known and known[hour_us].checksum != checksum:
                damaged.add(hour_us)
    return damaged


def _without_checksum(row: ImportHour) -> ImportHour:
    changed = copy(row)
    changed.checksum = _DAMAGED
    return changed
