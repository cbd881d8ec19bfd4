"""The coverage of a series, from the ledger; of live series, from their candles."""

from collections.abc import Sequence

from django.db import connection

from history.tables import PRICE_SIDE_CODES
from history.timestamps import to_datetime, to_us
from importer.coverage import Cover, CoveredHour, cover_hours, find_gaps
from importer.hours import HOUR_US, HourRange
from importer.instruments import ARCHIVE
from importer.ledger import COVER_OF
from importer.market_calendar import is_closed
from importer.models import HourState, ImportHour
from marketdata.catalog import InstrumentType
from marketdata.timeframes import PriceSide

_RECORD_SIDES = [PRICE_SIDE_CODES[PriceSide.MID], PRICE_SIDE_CODES[PriceSide.TRADE]]
_US_PER_S = 1_000_000


def select_coverage(
    series_id: int,
    instrument_type: InstrumentType,
    hours: HourRange,
    *,
    broker: str = ARCHIVE,
) -> list[CoveredHour]:
    """Return what is had of each hour, oldest first.

    The ledger of live brokers' series has but dropped hours: others are stored if there
    is a candle, and their rows are its ticks and trades.
    """
    known = _select_ledger(series_id, hours)
    if broker != ARCHIVE:
        known = _select_live(series_id, hours) | known
    return cover_hours(
        known, hours, is_closed=lambda hour_us: is_closed(instrument_type, hour_us)
    )


def select_known_range(series_id: int) -> HourRange | None:
    """Return the range from the first to the last hour in the ledger, None if empty."""
    rows = ImportHour.objects.filter(series_id=series_id).order_by("hour")
    first, last = rows.first(), rows.last()
    if first is None or last is None:
        return None
    return HourRange(to_us(first.hour), to_us(last.hour) + HOUR_US)


def coverage_body(
    symbol: str, broker: str, covered: Sequence[CoveredHour]
) -> dict[str, object]:
    """Return the body of `GET /api/coverage` (PROTOCOL 6): Unix seconds, ends excluded.

    Hours beyond those of the protocol's states are `dropped`: stored once, and removed
    on purpose by the retention.
    """
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
        "gaps": [
            {
                "from": gap.start_us // _US_PER_S,
                "to": gap.end_us // _US_PER_S,
                "reason": gap.reason.value,
            }
            for gap in find_gaps(covered)
        ],
    }


def _select_ledger(series_id: int, hours: HourRange) -> dict[int, tuple[Cover, int]]:
    rows = ImportHour.objects.filter(
        series_id=series_id,
        hour__gte=to_datetime(hours.start_us),
        hour__lt=to_datetime(hours.end_us),
    ).values_list("hour", "state", "rows")
    return {
        to_us(hour): (COVER_OF[HourState(state)], count) for hour, state, count in rows
    }


def _select_live(series_id: int, hours: HourRange) -> dict[int, tuple[Cover, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT time, sum(ticks)::bigint
            FROM candles_1h
            WHERE series_id = %s
              AND price_side = ANY(%s)
              AND time >= %s
              AND time < %s
            GROUP BY time
            """,
            (
                series_id,
                _RECORD_SIDES,
                to_datetime(hours.start_us),
                to_datetime(hours.end_us),
            ),
        )
        return {to_us(time): (Cover.STORED, ticks) for time, ticks in cursor.fetchall()}
