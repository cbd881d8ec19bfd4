"""When records were lost on their way into the store: a span of each symbol and kind.

Such a record came, was numbered and told to who listened; only what is read of the
store later lacks it. Spans are merged until somebody takes them, so there are never
more than topics.
"""

from collections.abc import Iterable, Mapping, Sequence

from history.feed_gaps import FeedGapRow
from history.live_rows import Row
from marketdata.durations import DAY_US, HOUR_US
from marketdata.records import KINDS, Kind, Tick, Trade

NOT_STORED = "not stored"

Key = tuple[Kind, str]


class LostSpans:
    """The spans that nobody has taken yet."""

    def __init__(self) -> None:
        self._spans: dict[Key, tuple[int, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._spans)

    def add(self, rows: Iterable[Row]) -> None:
        """Note rows that will never be stored."""
        for record, _, _ in rows:
            time_us = _time_us(record)
            self._extend(_key(record), time_us - 1, time_us + 1)

    def extend(self, gaps: Iterable[FeedGapRow]) -> None:
        """Note spans, also those that were taken and could not be stored yet."""
        for gap in gaps:
            self._extend((gap.kind, gap.symbol), gap.from_us, gap.to_us)

    def take(self) -> list[FeedGapRow]:
        """Return the spans and forget them; their ends are of no lost record."""
        spans, self._spans = self._spans, {}
        return [
            FeedGapRow(symbol, kind, from_us, to_us, NOT_STORED)
            for (kind, symbol), (from_us, to_us) in spans.items()
        ]

    def _extend(self, key: Key, from_us: int, to_us: int) -> None:
        start_us, end_us = self._spans.get(key, (from_us, to_us))
        self._spans[key] = min(start_us, from_us), max(end_us, to_us)


def holes_of_damage(
    rows: Sequence[Row],
    damaged_at: Sequence[int],
    *,
    ends: Mapping[Key, int],
    until_us: int,
) -> list[FeedGapRow]:
    """Return what damaged blocks between rows of a segment may have held.

    ``damaged_at`` are the places in ``rows`` behind the damage, ``ends`` says until
    when each topic is stored, ``until_us`` is when the segment was written last. A
    topic of which no row is left counts if it is stored until shortly before that.
    """
    last_us = dict(ends)
    gaps, start = [], 0
    for place in damaged_at:
        for record, _, _ in rows[start:place]:
            key = _key(record)
            last_us[key] = max(last_us.get(key, 0), record.time_us)
        start = place
        behind = {_key(row[0]): row[0].time_us for row in reversed(rows[place:])}
        recent = {_key(row[0]) for row in rows}
        recent |= {key for key, us in ends.items() if until_us - us < HOUR_US}
        for key in recent & last_us.keys():
            from_us, to_us = last_us[key], behind.get(key, until_us)
            if from_us < to_us:
                gaps.append(FeedGapRow(key[1], key[0], from_us, to_us, NOT_STORED))
    return gaps


def _key(record: Tick | Trade) -> Key:
    return KINDS[type(record)], record.symbol


def _time_us(record: Tick | Trade) -> int:
    """Return the record's time; when it came, if its time is what is wrong with it."""
    is_sane = abs(record.time_us - record.received_us) < DAY_US
    return record.time_us if is_sane else record.received_us
