"""When a market is closed for a whole hour, so that no file need be there. Pure.

Forex and metals close on Friday 17:00 and open on Sunday 17:00, New York time: 22:00
UTC in winter, 21:00 in summer (seen in the archive's candles of both). Crypto never
closes. Indices, shares and commodities have their own hours inside the forex week; only
the week end is certain for all of them. Holidays are not known here: such hours are
reported as missing.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from marketdata.catalog import InstrumentType

# The others open and close within the week.
_WHOLE_WEEK = frozenset({InstrumentType.FOREX, InstrumentType.CRYPTO})
_NEW_YORK = ZoneInfo("America/New_York")
_TURN_HOUR = 17
_FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6


def is_closed(instrument_type: InstrumentType, hour_us: int) -> bool:
    """Return whether the market is closed for all of the hour that starts then."""
    if instrument_type is InstrumentType.CRYPTO:
        return False
    # New York is whole hours from UTC, so an hour is never cut by the turn of the week.
    start = datetime.fromtimestamp(hour_us // 1_000_000, UTC).astimezone(_NEW_YORK)
    day = start.weekday()
    return (
        day == _SATURDAY
        or (day == _FRIDAY and start.hour >= _TURN_HOUR)
        or (day == _SUNDAY and start.hour < _TURN_HOUR)
    )


def is_open(instrument_type: InstrumentType, hour_us: int) -> bool:
    """Return whether the market is known to be open in the hour, but for holidays."""
    return instrument_type in _WHOLE_WEEK and not is_closed(instrument_type, hour_us)


def open_spans(
    instrument_type: InstrumentType, start_us: int, end_us: int
) -> list[tuple[int, int]]:
    """Return the parts of [start, end) that are not of a closed week end, ascending.

    In microseconds; none is empty. Only week ends are taken out, as in ``is_closed``.
    """
    spans: list[tuple[int, int]] = []
    if instrument_type is not InstrumentType.CRYPTO:
        day = datetime.fromtimestamp(start_us // 1_000_000, UTC).astimezone(_NEW_YORK)
        friday = day.date() - timedelta((day.weekday() - _FRIDAY) % 7)
        while (closes_us := _turn_us(friday)) < end_us:
            if start_us < closes_us:
                spans.append((start_us, closes_us))
            start_us = max(start_us, _turn_us(friday + timedelta(_SUNDAY - _FRIDAY)))
            friday += timedelta(7)
    if start_us < end_us:
        spans.append((start_us, end_us))
    return spans


def _turn_us(day: date) -> int:
    """Return when the market closes on that Friday, or opens on that Sunday."""
    turn = datetime.combine(day, time(_TURN_HOUR), _NEW_YORK)
    return int(turn.timestamp()) * 1_000_000
