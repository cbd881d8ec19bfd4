"""Getting one hour from a source: its rows, or the reason why there are none."""

from collections import Counter
from dataclasses import dataclass, field

from history.columns import TickColumns, checksum
from importer.exceptions import HourError
from importer.instruments import ArchiveInstrument
from importer.outcomes import Outcome
from importer.quality_gate import Flaw, clean, dropped_text
from importer.sources.base import Source
from marketdata.durations import HOUR_US
from marketdata.market_calendar import is_closed


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
    dropped: Counter[Flaw] = field(default_factory=Counter)

    def __len__(self) -> int:
        return 0 if self.columns is None else len(self.columns)

    @property
    def is_good(self) -> bool:
        """Whether there is a good file, with ticks or without."""
        return self.outcome in (Outcome.STORED, Outcome.EMPTY)


class HourReader:
    """Reads and decodes hours of one series; used from several threads at once."""

    def __init__(
        self, source: Source, instrument: ArchiveInstrument, *, series_id: int
    ) -> None:
        self._source = source
        self._instrument = instrument
        self._series_id = series_id

    def read(self, hour_us: int) -> HourRead:
        """Return what the source has for the hour; a bad file is a result, no error.

        Where asking costs something, nothing is asked for hours of a closed market.
        """
        is_closed_hour = is_closed(self._instrument.type, hour_us)
        if is_closed_hour and not self._source.is_local:
            return HourRead(hour_us, Outcome.CLOSED)
        try:
            read = self._read_file(hour_us)
        except HourError as exc:
            return HourRead(hour_us, Outcome.FAILED, detail=str(exc))
        if read is not None:
            return read
        # First ticks err in the provider's table, so these hours are asked for as well.
        is_before_first = hour_us + HOUR_US <= (self._instrument.first_us or 0)
        if is_closed_hour or is_before_first:
            return HourRead(hour_us, Outcome.CLOSED)
        detail = f"expected a file in {self._source.spec}, found none"
        return HourRead(hour_us, Outcome.MISSING, detail=detail)

    def _read_file(self, hour_us: int) -> HourRead | None:
        file = self._source.fetch(self._instrument.archive_symbol, hour_us)
        if file is None:
            return None
        decoded = self._source.decode(
            file, hour_us, price_scale=self._instrument.price_scale
        )
        ticks, dropped = clean(decoded, name=file.name)
        if not len(ticks):
            return HourRead(hour_us, Outcome.EMPTY)
        columns = ticks.to_columns(self._series_id)
        return HourRead(
            hour_us,
            Outcome.STORED,
            columns,
            checksum(columns),
            dropped_text(dropped, len(decoded)),
            dropped,
        )
