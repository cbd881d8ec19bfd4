"""Getting one hour from a source: its rows, or the reason why there are none."""

from dataclasses import dataclass

from history.columns import TickColumns, checksum
from importer.exceptions import HourError
from importer.instruments import ArchiveInstrument
from importer.market_calendar import is_closed
from importer.outcomes import Outcome
from importer.sources.base import Source


@dataclass(frozen=True, slots=True, eq=False)
class HourRead:
    """What a source had for an hour.

    ``outcome`` is STORED or EMPTY for a good file (the rows are still to be stored),
    FAILED, MISSING or CLOSED otherwise. ``checksum`` is empty where there are no rows.
    """

    hour_us: int
    outcome: Outcome
    columns: TickColumns | None = None
    checksum: str = ""
    detail: str = ""

    def __len__(self) -> int:
        return 0 if self.columns is None else len(self.columns)


class HourReader:
    """Reads and decodes hours of one series; used from several threads at once."""

    def __init__(
        self, source: Source, instrument: ArchiveInstrument, *, series_id: int
    ) -> None:
        self._source = source
        self._instrument = instrument
        self._series_id = series_id

    def read(self, hour_us: int) -> HourRead:
        """Return what the source has for the hour; a bad file is a result, no error."""
        try:
            file = self._source.fetch(self._instrument.archive_symbol, hour_us)
            if file is None:
                return self._without_file(hour_us)
            ticks = self._source.decode(
                file, hour_us, price_scale=self._instrument.price_scale
            )
        except HourError as exc:
            return HourRead(hour_us, Outcome.FAILED, detail=str(exc))
        if not len(ticks):
            return HourRead(hour_us, Outcome.EMPTY)
        columns = ticks.to_columns(self._series_id)
        return HourRead(hour_us, Outcome.STORED, columns, checksum(columns))

    def _without_file(self, hour_us: int) -> HourRead:
        if is_closed(self._instrument.type, hour_us):
            return HourRead(hour_us, Outcome.CLOSED)
        detail = f"expected a file in {self._source.spec}, found none"
        return HourRead(hour_us, Outcome.MISSING, detail=detail)
