"""Candles against the ticks that they are of, by their number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from history.models import ChangedRange
from history.timestamps import to_datetime, to_us
from importer.hours import HourRange
from importer.models import HourState, ImportHour
from importer.stored_rows import RowCount, count_candle_ticks
from marketdata.durations import HOUR_US


@dataclass(frozen=True, slots=True)
class WrongCandle:
    """An hour whose candle should be of ``expected`` ticks and is of ``found``."""

    hour_us: int
    expected: int
    found: int


def select_wrong_candles(
    series_id: int, hours: HourRange, counts: Mapping[int, RowCount]
) -> list[WrongCandle]:
    """Return the hours whose candle does not count their ticks, oldest first.

    ``counts`` are the ticks of the range. Hours that a refresh will look at are not
    expected to be right yet, and the candles of dropped hours are all that is left.
    """
    bounds = to_datetime(hours.start_us), to_datetime(hours.end_us)
    noted = [
        (to_us(item.start), to_us(item.end))
        for item in ChangedRange.objects.filter(
            series_id=series_id, start__lt=bounds[1], end__gt=bounds[0]
        )
    ]
    dropped = ImportHour.objects.filter(
        series_id=series_id,
        hour__gte=bounds[0],
        hour__lt=bounds[1],
        state=HourState.DROPPED,
    )
    candles = count_candle_ticks(series_id, hours)
    left_out = {to_us(hour) for hour in dropped.values_list("hour", flat=True)}
    wrong = []
    for hour_us in sorted((counts.keys() | candles.keys()) - left_out):
        rows = counts.get(hour_us, RowCount())
        expected, found = rows.imported + rows.live, candles.get(hour_us, 0)
        if expected != found and not _is_noted(hour_us, noted):
            wrong.append(WrongCandle(hour_us, expected, found))
    return wrong


def _is_noted(hour_us: int, notes: Sequence[tuple[int, int]]) -> bool:
    end_us = hour_us + HOUR_US
    return any(start < end_us and end > hour_us for start, end in notes)
