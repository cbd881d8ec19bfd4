"""The coverage of a series, from the ledger; of live series, from their candles and
the gaps of their feed.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from history.statement import Statement
from history.tables import PRICE_SIDE_CODES
from history.timestamps import to_datetime, to_us
from importer.coverage import CoveredHour, cover_hours, find_gaps
from importer.hours import HourRange
from importer.instruments import ARCHIVE
from importer.ledger import COVER_OF
from importer.models import HourState, ImportHour
from marketdata.catalog import InstrumentType
from marketdata.durations import HOUR_US
from marketdata.market_calendar import is_closed
from marketdata.timeframes import PriceSide

_RECORD_SIDES = [PRICE_SIDE_CODES[PriceSide.MID], PRICE_SIDE_CODES[PriceSide.TRADE]]
_US_PER_S = 1_000_000
_GAP = "gap"
_FEED = "feed"
# Feeds say what they are every 5 s; one that is silent for longer is dead, or cannot.
FEED_SILENT_US = 30 * _US_PER_S
_SILENT, _STOPPED = "silent", "stopped"
_SELECT_LEDGER = """
    SELECT hour, state, rows, NULL::timestamptz, NULL, NULL
      FROM import_hours
     WHERE series_id = %(series_id)s
       AND hour >= %(start)s
       AND hour < %(end)s
"""
# Before the ledger, which knows better.
_SELECT_LIVE = """
    SELECT start, 'gap', 0, "end", kind, reason
      FROM feed_gaps
     WHERE series_id = %(series_id)s
       AND "end" > %(start)s
       AND start < %(end)s
     UNION ALL
    SELECT feed.since, 'feed', coalesce(extract(epoch FROM feed.live_until), 0)::bigint,
           feed.seen, feed.state, ''
      FROM feed_states AS feed
      JOIN history_series AS series ON series.broker_id = feed.broker_id
     WHERE series.id = %(series_id)s
     UNION ALL
    SELECT time, 'stored', sum(ticks)::bigint, NULL, NULL, NULL
      FROM candles_1h
     WHERE series_id = %(series_id)s
       AND price_side = ANY(%(sides)s)
       AND time >= %(start)s
       AND time < %(end)s
     GROUP BY time
    HAVING sum(ticks) > 0
     UNION ALL
"""

# Of a series without data, which `series_query` does not find; there may be hours that
# failed.
_SELECT_UNSTORED = """
    SELECT DISTINCT instrument.symbol,
           instrument.type,
           ledger.hour,
           ledger.state,
           ledger.rows
      FROM marketdata_brokersymbol AS spelling
      JOIN marketdata_instrument AS instrument ON instrument.id = spelling.instrument_id
      LEFT JOIN history_series AS series
        ON series.instrument_id = instrument.id
       AND series.broker_id = spelling.broker_id
      LEFT JOIN import_hours AS ledger
        ON ledger.series_id = series.id
       AND ledger.hour >= %(start)s
       AND ledger.hour < %(end)s
     WHERE instrument.symbol = %(symbol)s
       AND spelling.broker_id = %(broker)s
"""

# Hour, state and rows of it; or a gap's start, "gap", 0, its end, kind and reason; or
# since when a feed has its state, "feed", until when it was live, when it said so and
# the state.
Row = tuple[datetime, str, int, datetime | None, str | None, str | None]


class FeedGap(NamedTuple):
    """Records of one type that a live feed never got, between two of them."""

    start_us: int
    end_us: int
    type: str
    reason: str


def select_coverage(
    series_id: int,
    instrument_type: InstrumentType,
    hours: HourRange,
    *,
    broker: str = ARCHIVE,
) -> list[CoveredHour]:
    """Return what is had of each hour, oldest first."""
    statement = plan_coverage(series_id, hours, broker=broker)
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, statement.parameters)
        return covered_hours(cursor.fetchall(), instrument_type, hours)


def plan_coverage(
    series_id: int, hours: HourRange, *, broker: str = ARCHIVE
) -> Statement:
    """Return the statement whose rows ``covered_hours`` and ``feed_gaps`` take.

    The ledger of live brokers' series has but dropped hours: others are stored if there
    is a candle, and their rows are its ticks and trades.
    """
    parameters: dict[str, Any] = {
        "series_id": series_id,
        "start": to_datetime(hours.start_us),
        "end": to_datetime(hours.end_us),
    }
    if broker == ARCHIVE:
        return Statement(_SELECT_LEDGER, parameters)
    parameters["sides"] = _RECORD_SIDES
    return Statement(_SELECT_LIVE + _SELECT_LEDGER, parameters)


def plan_unstored(symbol: str, broker: str, hours: HourRange) -> Statement:
    """Return the statement whose rows ``unstored_hours`` takes.

    It finds what a broker carries and nothing is stored of, for a canonical symbol.
    """
    return Statement(
        _SELECT_UNSTORED,
        {
            "symbol": symbol,
            "broker": broker,
            "start": to_datetime(hours.start_us),
            "end": to_datetime(hours.end_us),
        },
    )


def unstored_hours(
    rows: Sequence[Sequence[Any]], hours: HourRange
) -> list[CoveredHour]:
    """Return what is had of each hour; nothing if the broker carries no such symbol."""
    if not rows:
        return []
    known: list[Row] = [(*row[2:5], None, None, None) for row in rows if row[2]]
    return covered_hours(known, InstrumentType(rows[0][1]), hours)


def covered_hours(
    rows: Iterable[Row], instrument_type: InstrumentType, hours: HourRange
) -> list[CoveredHour]:
    """Return what is had of each hour, oldest first."""
    known = {
        to_us(hour): (COVER_OF[HourState(state)], count)
        for hour, state, count, *_ in rows
        if state not in (_GAP, _FEED)
    }
    return cover_hours(
        known, hours, is_closed=lambda hour_us: is_closed(instrument_type, hour_us)
    )


def feed_gaps(rows: Iterable[Row]) -> list[FeedGap]:
    """Return the gaps of a live series' feed, oldest first."""
    return sorted(
        FeedGap(to_us(start), to_us(end), kind, reason)
        for start, state, _, end, kind, reason in rows
        if state == _GAP and end and kind and reason is not None
    )


def feed_state(rows: Iterable[Row], now_us: int) -> dict[str, object] | None:
    """Return the ``feed`` of the body: what a live series' feed said last, and when.

    In Unix seconds. The state `silent` is not the feed's word: it should have said
    something meanwhile.
    """
    for since, kind, live_until_s, seen, state, _ in rows:
        if kind == _FEED and seen and state:
            is_dead = state != _STOPPED and now_us - to_us(seen) > FEED_SILENT_US
            return {
                "state": _SILENT if is_dead else state,
                "since": to_us(seen if is_dead else since) // _US_PER_S,
                "live_until": live_until_s or None,
            }
    return None


def select_known_range(series_id: int) -> HourRange | None:
    """Return the range from the first to the last hour in the ledger, None if empty."""
    rows = ImportHour.objects.filter(series_id=series_id).order_by("hour")
    first, last = rows.first(), rows.last()
    if first is None or last is None:
        return None
    return HourRange(to_us(first.hour), to_us(last.hour) + HOUR_US)


def coverage_body(
    symbol: str,
    broker: str,
    covered: Sequence[CoveredHour],
    told: Iterable[FeedGap] = (),
    feed: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Return the body of `GET /api/coverage` (PROTOCOL 6): Unix seconds, ends excluded.

    Hours beyond those of the protocol's states are `dropped`: stored once, and removed
    on purpose by the retention. Gaps of the feed have a ``type``, and are widened to
    whole seconds; those of whole hours come first. ``feed`` is left out if None.
    """
    gaps: list[dict[str, object]] = [
        {
            "from": gap.start_us // _US_PER_S,
            "to": gap.end_us // _US_PER_S,
            "reason": gap.reason.value,
        }
        for gap in find_gaps(covered)
    ]
    gaps += [
        {
            "from": gap.start_us // _US_PER_S,
            "to": -(-gap.end_us // _US_PER_S),
            "reason": gap.reason,
            "type": gap.type,
        }
        for gap in told
    ]
    return {
        "symbol": symbol,
        "broker": broker,
        "hours": [
            {
                "hour": item.hour_us // _US_PER_S,
                "state": item.state.value,
                "rows": item.rows,
            }
            for item in covered
        ],
        "gaps": gaps,
    } | ({"feed": feed} if feed else {})
