"""Until when what dead processes left in a journal goes. Blocks."""

from pathlib import Path

from history.journal_segments import rows_of_segment, segments_by_epoch
from history.lost_rows import Key
from marketdata.records import KINDS

# Of 8 MiB: 200,000 rows, read in less than a second.
MAX_SEGMENTS = 2


def ends_left(folder: Path, epoch: int) -> dict[Key, int]:
    """Return the times in us of the last rows of each topic before an epoch.

    Of the newest segments only: a topic that was quiet in them is not there.

    Raises:
        OSError: something cannot be read.
    """
    before = [
        segment
        for each, segments in segments_by_epoch(folder).items()
        if each < epoch
        for segment in segments
    ]
    ends: dict[Key, int] = {}
    for segment in before[-MAX_SEGMENTS:]:
        for record, _, _ in rows_of_segment(segment):
            key = KINDS[type(record)], record.symbol
            ends[key] = max(ends.get(key, 0), record.time_us)
    return ends
