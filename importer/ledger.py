"""Reading and writing the import ledger."""

from collections.abc import Iterable

from history.timestamps import to_datetime, to_us
from importer.hours import HourRange
from importer.models import HourState, ImportHour

# An hour in one of these states is read again only when asked for.
DONE = frozenset({HourState.STORED, HourState.EMPTY})

_UPDATED = ["state", "rows", "checksum", "source", "detail", "imported_at"]


def select_hours(series_id: int, hours: HourRange) -> dict[int, ImportHour]:
    """Return what is known of the hours, by their start in microseconds."""
    rows = ImportHour.objects.filter(
        series_id=series_id,
        hour__gte=to_datetime(hours.start_us),
        hour__lt=to_datetime(hours.end_us),
    )
    return {to_us(row.hour): row for row in rows}


def store_hours(rows: Iterable[ImportHour]) -> None:
    """Write the rows over what was known; call it in the transaction of their ticks."""
    ImportHour.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["series_id", "hour"],
        update_fields=_UPDATED,
    )
