"""Candles that are computed again although no record changed."""

from collections.abc import Iterable
from datetime import UTC, datetime

from django.db import connection, transaction

from history.changed_ranges import note_changed_ranges
from history.models import Series
from history.timestamps import to_us

EVERYTHING = (0, to_us(datetime.max.replace(tzinfo=UTC)))


def note_for_rebuild(
    series: Iterable[Series], span: tuple[int, int], *, now_us: int
) -> int:
    """Note what the series have in the span; return of how many that is anything.

    The next refresh computes it, and raises the revision where that changes the past.
    1m candles whose records retention dropped stay as they are.

    Args:
        span: start and end in us, the end exclusive.
    """
    noted = 0
    for item in series:
        if item.candles_from is None or item.latest is None:
            continue
        start_us = max(span[0], to_us(item.candles_from))
        end_us = min(span[1], to_us(item.latest) + 1)
        if start_us >= end_us:
            continue
        # One transaction per series: a note is seen as soon as it is written.
        with transaction.atomic(), connection.cursor() as cursor:
            note_changed_ranges(cursor, [(item.pk, start_us, end_us, now_us)])
        noted += 1
    return noted
