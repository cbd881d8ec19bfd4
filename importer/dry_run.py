"""What an import would do, found out without asking the source or writing anything."""

from collections import Counter
from dataclasses import dataclass, field

from django.db.models import Avg

from history.models import Series
from importer.hours import HourRange
from importer.import_ticks import range_of
from importer.instruments import ARCHIVE, ArchiveInstrument
from importer.ledger import select_hours
from importer.models import HourState, ImportHour
from importer.orders import ImportOrder
from importer.series_import import is_wanted
from marketdata.market_calendar import is_closed

# Ledger rows of so many days are read at a time.
_WINDOW_DAYS = 365
NEVER_HAD = "never had"
# `get_or_create_series` makes a series with the first import; until then there is none.
_NO_SERIES = -1


@dataclass(slots=True)
class SeriesPlan:
    """What would be done for a series.

    ``states`` counts all hours of the range by what the ledger knows, ``fetched`` those
    that the source would be asked for. ``ticks_per_hour`` is the mean of the series'
    stored hours, None without any.
    """

    symbol: str
    hours: HourRange
    states: Counter[str] = field(default_factory=Counter)
    fetched: int = 0
    ticks_per_hour: float | None = None

    @property
    def ticks(self) -> int | None:
        """Ticks that are likely to come, None if nobody knows."""
        if self.ticks_per_hour is None:
            return None
        return round(self.fetched * self.ticks_per_hour)


def plan_import(order: ImportOrder) -> list[SeriesPlan]:
    """Return what `import_ticks` would do now, per instrument.

    Raises:
        InvalidRange: as `import_ticks`.
    """
    return [_plan_series(order, instrument) for instrument in order.instruments]


def _plan_series(order: ImportOrder, instrument: ArchiveInstrument) -> SeriesPlan:
    series = Series.objects.filter(
        instrument__symbol=instrument.symbol, broker=ARCHIVE
    ).first()
    series_id = series.pk if series else _NO_SERIES
    plan = SeriesPlan(instrument.symbol, range_of(order, series_id, instrument.symbol))
    for window in plan.hours.chunks(_WINDOW_DAYS):
        known = select_hours(series_id, window)
        for hour_us in window.hours():
            row = known.get(hour_us)
            plan.states[row.state if row else NEVER_HAD] += 1
            is_free = order.source.is_local or not is_closed(instrument.type, hour_us)
            plan.fetched += is_free and is_wanted(order, row)
    stored = ImportHour.objects.filter(series_id=series_id, state=HourState.STORED)
    plan.ticks_per_hour = stored.aggregate(mean=Avg("rows"))["mean"]
    return plan
