"""When a chart may expect bars, by the type of instrument. Pure.

A charting library drops bars outside the session, and lays out intraday bars from its
start. Forex is open from Sunday to Friday 17:00 in New York, so its session is told in
that zone: in UTC it would be an hour off for half of the year, and lose an hour of each
week or gain an empty one. Metals, indices and shares have their own hours inside the
forex week, which are not known here; the whole week loses none of their bars.

https://www.tradingview.com/charting-library-docs/latest/connecting_data/Trading-Sessions
(read 2026-11).
"""

import msgspec

from history.alignment import ALIGNED, Align
from history.columns import Array
from marketdata.catalog import InstrumentType
from marketdata.durations import DAY_US
from marketdata.timeframes import Timeframe

_HALF_DAY_US = DAY_US // 2


class Market(msgspec.Struct, frozen=True):
    """A session, and how days and weeks are cut.

    With ``align`` days begin in the evening before the trading day, and bars of days
    and weeks are labelled 00:00 UTC of the (first) trading day, as the protocol asks.
    ``minutes`` are the intraday bars that fit the session; of these a library makes
    the longer ones itself.
    """

    session: str
    timezone: str
    minutes: tuple[str, ...]
    align: Align | None = None

    def align_of(self, timeframe: Timeframe) -> Align | None:
        """Return how buckets of the timeframe are cut, None for by UTC."""
        return self.align if timeframe in ALIGNED else None


_NEW_YORK = Align("America/New_York", 17 * 60)
# Ours of 4h and 12h begin at 00:00 UTC, which is no multiple of them after 17:00 in
# New York: the first of a week would begin before its session, and be dropped.
_WEEK = Market(
    session="1700-1700",  # each trading day from 17:00 of the day before, Monday first
    timezone=_NEW_YORK.zone,
    minutes=("1", "5", "15", "30", "60"),
    align=_NEW_YORK,
)
_ALWAYS = Market(
    session="24x7",
    timezone="Etc/UTC",
    minutes=("1", "5", "15", "30", "60", "240", "720"),
)


def market_of(instrument_type: InstrumentType) -> Market:
    """Return the market of the instruments of a type."""
    return _ALWAYS if instrument_type is InstrumentType.CRYPTO else _WEEK


def label_seconds(times_us: Array, align: Align | None) -> Array:
    """Return the times by which bars are known, of the starts of their buckets.

    An aligned bucket starts two or three hours before its day in UTC.
    """
    if align is None:
        return times_us // 1_000_000
    return (times_us + _HALF_DAY_US) // DAY_US * 86_400


def bucket_starts_us(from_us: int, to_us: int, align: Align | None) -> tuple[int, int]:
    """Return between which moments, both inclusive, the buckets start.

    Args:
        from_us, to_us: between which the labels lie, the end exclusive.
    """
    last_us = to_us - 1
    if align is None:
        return from_us, last_us
    first_day_us = -(-from_us // DAY_US) * DAY_US
    return max(0, first_day_us - _HALF_DAY_US), last_us // DAY_US * DAY_US
