"""When a market is closed for a whole hour, so that no file need be there. Pure.

Forex and metals close on Friday 17:00 and open on Sunday 17:00, New York time: 22:00
UTC in winter, 21:00 in summer (seen in the archive's candles of both). Crypto never
closes. Indices, shares and commodities have their own hours inside the forex week; only
the week end is certain for all of them. Holidays are not known here: such hours are
reported as missing.
"""

from datetime import UTC, datetime
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
