"""Putting the rows of hours into the store, in place of what was imported before."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC

import psycopg
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import TruncHour

from history.changed_ranges import note_changed_ranges
from history.columns import join_imported
from history.dropped_ranges import remove_dropped_ticks
from history.models import Tick
from history.series import Change, apply_changes
from history.tick_store import (
    FIRST_LIVE_SEQ,
    copy_ticks,
    delete_imported_ticks,
    delete_ticks,
)
from history.timestamps import to_datetime, to_us
from importer.hour_reader import HourRead
from importer.hours import HourRange
from marketdata.durations import HOUR_US

_Delete = Callable[[psycopg.Connection, int, int, int], int]


class RowWriter:
    """Writes hours of one series inside the caller's transaction.

    ``hours`` is the range that they come from. Call `replace` any number of times, with
    hours in order, then `finish`. Ticks that were received live are left alone, unless
    ``replaces_live`` is true.
    """

    def __init__(
        self, series_id: int, hours: HourRange, *, replaces_live: bool = False
    ) -> None:
        self.added = 0
        self.deleted = 0
        self._series_id = series_id
        self._range = hours
        self._replaces_live = replaces_live
        self._is_empty: bool | None = None
        self._changed: list[int] = []
        self._times: list[int] = []

    def select_live_hours(self) -> set[int]:
        """Return the hours whose live ticks are to be replaced; none if they stay."""
        if not self._replaces_live:
            return set()
        live = self._stored().filter(seq__gte=FIRST_LIVE_SEQ)
        hours = live.annotate(hour=TruncHour("time", tzinfo=UTC)).values_list("hour")
        return {to_us(hour) for (hour,) in hours.distinct()}

    def has_none(self) -> bool:
        """Return whether no tick was stored before `replace` that it may delete."""
        # Asked once for the day and before its first COPY: almost always there is
        # nothing, and each DELETE takes 2 ms to find that out.
        if self._is_empty is None:
            self._is_empty = self._select_first_seq() is None
        return self._is_empty

    def count_imported(self, hour_us: int) -> int:
        """Return how many imported ticks the hour has that `replace` did not write."""
        if self.has_none():
            return 0
        imported = self._stored().filter(
            time__gte=to_datetime(hour_us),
            time__lt=to_datetime(hour_us + HOUR_US),
            seq__lt=FIRST_LIVE_SEQ,
        )
        return imported.count()

    def replace(self, reads: Sequence[HourRead]) -> None:
        """Store the rows of the hours, and nothing else of earlier imports in them."""
        with_ticks = [read.hour_us for read in reads if len(read)]
        changed = set(with_ticks)
        if not self.has_none():
            # An hour without ticks is no better than what was received live.
            without = [read.hour_us for read in reads if not len(read)]
            changed |= self._delete(without, delete_imported_ticks)
            delete = delete_ticks if self._replaces_live else delete_imported_ticks
            changed |= self._delete(with_ticks, delete)
        self._changed += sorted(changed)
        parts = [read.columns for read in reads if read.columns is not None]
        if parts:
            columns = join_imported(parts)
            self.added += copy_ticks(connection.connection, columns)
            self._times += [int(columns.time_us[0]), int(columns.time_us[-1])]

    def finish(self, *, now_us: int) -> None:
        """Note the changed hours for the candles, and bring the statistics up to date.

        Does nothing if no row was written or deleted.
        """
        if not self._changed:
            return
        runs = list(_runs(self._changed))
        with connection.cursor() as cursor:
            for start_us, end_us in runs:
                remove_dropped_ticks(cursor, self._series_id, start_us, end_us)
            note_changed_ranges(
                cursor, [(self._series_id, start, end, now_us) for start, end in runs]
            )
            change = Change(
                series_id=self._series_id,
                ticks_added=self.added - self.deleted,
                first_us=self._times[0] if self._times else None,
                last_us=self._times[-1] if self._times else None,
                changes_past=self.deleted > 0,
            )
            apply_changes(cursor, [change])

    def _delete(self, hours: Iterable[int], delete: _Delete) -> set[int]:
        """Delete rows of the hours and return the hours that may have had some."""
        changed: set[int] = set()
        for start_us, end_us in _runs(hours):
            deleted = delete(connection.connection, self._series_id, start_us, end_us)
            self.deleted += deleted
            if deleted:
                changed.update(range(start_us, end_us, HOUR_US))
        return changed

    def _select_first_seq(self) -> int | None:
        # In the order of the key, so that the planner takes the key: for `exists()` it
        # scanned a chunk that was not analyzed yet, 80 ms a day.
        stored = self._stored()
        if not self._replaces_live:
            stored = stored.filter(seq__lt=FIRST_LIVE_SEQ)
        return stored.order_by("time", "seq").values_list("seq", flat=True).first()

    def _stored(self) -> QuerySet[Tick]:
        return Tick.objects.filter(
            series_id=self._series_id,
            time__gte=to_datetime(self._range.start_us),
            time__lt=to_datetime(self._range.end_us),
        )


def _runs(hours: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each stretch of hours without a gap; ``hours`` ascend."""
    start_us = end_us = 0
    for hour_us in hours:
        if hour_us != end_us:
            if end_us > start_us:
                yield start_us, end_us
            start_us = hour_us
        end_us = hour_us + HOUR_US
    if end_us > start_us:
        yield start_us, end_us
