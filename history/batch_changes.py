"""What a batch of live rows changes: notes for the candles, statistics of series."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from history.changed_ranges import Note
from history.columns import TickColumns, TradeColumns, rows_of
from history.series import Change
from marketdata.durations import MINUTE_US

# A minute's note is due this long after its end: what was received in the minute is
# flushed by then, and the closed candle need not be corrected at once.
NOTE_GRACE_US = 2_000_000
_DUE_AFTER_US = MINUTE_US + NOTE_GRACE_US

Columns = TickColumns | TradeColumns


def split_by_series(groups: Iterable[Columns]) -> list[Columns]:
    """Return the columns split by series: what is new is then known for each."""
    return [
        rows_of(columns, columns.series_id == series_id)
        for columns in groups
        for series_id in np.unique(columns.series_id)
    ]


def notes_of(written: Iterable[Columns]) -> list[Note]:
    """Return a note per series and minute, due soon after the minute."""
    minutes = {
        (series_id, minute * MINUTE_US)
        for columns in written
        for series_id, minute in zip(
            columns.series_id.tolist(),
            (columns.time_us // MINUTE_US).tolist(),
            strict=True,
        )
    }
    return [
        (series_id, start_us, start_us + MINUTE_US, start_us + _DUE_AFTER_US)
        for series_id, start_us in sorted(minutes)
    ]


def changes_of(written: Iterable[tuple[Columns, int]]) -> list[Change]:
    """Return one change per series of (columns, rows that were new).

    Either all rows of the columns were new or they are all of one series.
    """
    found: defaultdict[int, list[tuple[int, int, int, int]]] = defaultdict(list)
    for columns, added in written:
        for series_id in np.unique(columns.series_id).tolist():
            times = columns.time_us[columns.series_id == series_id]
            count = len(times) if added == len(columns) else added
            ticks = count if isinstance(columns, TickColumns) else 0
            part = ticks, count - ticks, int(times.min()), int(times.max())
            found[series_id].append(part)
    return [
        Change(
            series_id=series_id,
            ticks_added=sum(ticks for ticks, _, _, _ in parts),
            trades_added=sum(trades for _, trades, _, _ in parts),
            first_us=min(first_us for _, _, first_us, _ in parts),
            last_us=max(last_us for _, _, _, last_us in parts),
        )
        for series_id, parts in sorted(found.items())
    ]
