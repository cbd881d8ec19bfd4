"""Reading and writing the import ledger."""

from collections.abc import Iterable

from django.db.models import Max, Min

from history.timestamps import to_datetime, to_us
from importer.coverage import Cover
from importer.hours import HourRange, is_complete
from importer.models import HourState, ImportHour
from importer.outcomes import Outcome
from importer.sources.base import Source
from importer.suspects import MAX_TRIES
from marketdata.durations import HOUR_US

# An hour in one of these states is read again only when asked for.
DONE = frozenset({HourState.STORED, HourState.EMPTY, HourState.DROPPED})

# The ledger's words for what an import made of an hour, and for what is had of it. A
# missing hour has no row; one that is unchanged keeps its own.
STATE_OF = {
    Outcome.STORED: HourState.STORED,
    Outcome.EMPTY: HourState.EMPTY,
    Outcome.SUSPECT: HourState.SUSPECT,
    Outcome.FAILED: HourState.FAILED,
    Outcome.CLOSED: HourState.CLOSED,
}
COVER_OF = {
    HourState.STORED: Cover.STORED,
    HourState.EMPTY: Cover.EMPTY,
    HourState.SUSPECT: Cover.SUSPECT,
    HourState.FAILED: Cover.FAILED,
    HourState.CLOSED: Cover.CLOSED,
    HourState.DROPPED: Cover.DROPPED,
}

_UPDATED = ["state", "rows", "checksum", "source", "detail", "tries", "imported_at"]


def select_hours(series_id: int, hours: HourRange) -> dict[int, ImportHour]:
    """Return what is known of the hours, by their start in microseconds."""
    rows = ImportHour.objects.filter(
        series_id=series_id,
        hour__gte=to_datetime(hours.start_us),
        hour__lt=to_datetime(hours.end_us),
    )
    return {to_us(row.hour): row for row in rows}


def select_empty_hours(series_id: int, hours: HourRange) -> list[int]:
    """Return those of the hours for which the archive has an empty file."""
    rows = ImportHour.objects.filter(
        series_id=series_id,
        hour__gte=to_datetime(hours.start_us),
        hour__lt=to_datetime(hours.end_us),
        state=HourState.EMPTY,
    )
    return [to_us(hour) for hour in rows.values_list("hour", flat=True)]


def select_stored_range(series_id: int) -> HourRange | None:
    """Return the days from the first to the last stored hour, None if there is none."""
    stored = ImportHour.objects.filter(series_id=series_id, state=HourState.STORED)
    edges = stored.aggregate(first=Min("hour"), last=Max("hour"))
    if edges["first"] is None:
        return None
    return HourRange(to_us(edges["first"]), to_us(edges["last"]) + HOUR_US).whole_days()


def is_open_question(known: ImportHour | None, source: Source) -> bool:
    """Return whether an import from ``source`` asks for the hour by itself.

    It does unless the hour is done, or was asked for often enough in vain. A server is
    asked again for what it had before it can have had the hour whole.
    """
    if known is None:
        return True
    if known.state != HourState.DROPPED and not source.is_local and is_young(known):
        return True
    if known.state == HourState.SUSPECT:
        return known.tries < MAX_TRIES or known.source != source.spec
    return known.state not in DONE


def is_young(known: ImportHour) -> bool:
    """Return whether the hour was read before the provider had it whole."""
    return not is_complete(to_us(known.hour), seen_us=to_us(known.imported_at))


def store_hours(rows: Iterable[ImportHour]) -> None:
    """Write the rows over what was known; call it in the transaction of their ticks."""
    ImportHour.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["series_id", "hour"],
        update_fields=_UPDATED,
    )


def suspect_empty_hours(series_id: int, hours: Iterable[int], *, detail: str) -> None:
    """Mark those of the hours as suspect that are still empty.

    Writers of later days are at work meanwhile.
    """
    ImportHour.objects.filter(
        series_id=series_id,
        hour__in=[to_datetime(hour_us) for hour_us in hours],
        state=HourState.EMPTY,
    ).update(state=HourState.SUSPECT, detail=detail)
