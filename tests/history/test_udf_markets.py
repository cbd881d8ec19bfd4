"""Sessions, and the labels of days and weeks."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from history.udf_markets import bucket_starts_us, label_seconds, market_of
from marketdata.catalog import InstrumentType
from marketdata.timeframes import Timeframe

NEW_YORK = ZoneInfo("America/New_York")
ALIGN = market_of(InstrumentType.FOREX).align
HOUR_US = 3_600_000_000


def evening_before(day: date) -> int:
    """Return when the trading day begins, in us."""
    start = datetime(day.year, day.month, day.day, 17, tzinfo=NEW_YORK)
    return int((start - timedelta(days=1)).timestamp()) * 1_000_000


def midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def days(count: int) -> list[date]:
    return [date(2024, 2, 20) + timedelta(days=i) for i in range(count)]


def test_market_of_crypto_never_closes_and_goes_by_utc():
    market = market_of(InstrumentType.CRYPTO)

    assert (market.session, market.timezone, market.align) == ("24x7", "Etc/UTC", None)
    assert market.minutes[-2:] == ("240", "720")
    assert market.align_of(Timeframe.D1) is None


@pytest.mark.parametrize(
    "kind", [kind for kind in InstrumentType if kind != InstrumentType.CRYPTO]
)
def test_market_of_others_is_the_week_of_new_york(kind):
    market = market_of(kind)

    assert (market.session, market.timezone) == ("1700-1700", "America/New_York")
    # 4h and 12h by UTC straddle the beginning of the session.
    assert market.minutes == ("1", "5", "15", "30", "60")
    assert str(market.align_of(Timeframe.D1)) == "America/New_York@17:00"
    assert market.align_of(Timeframe.H1) is None


def test_label_seconds_of_aligned_days_is_midnight_of_the_trading_day():
    starts = np.array([evening_before(day) for day in days(300)])

    labels = label_seconds(starts, ALIGN)

    assert labels.tolist() == [midnight(day) for day in days(300)]


def test_label_seconds_without_alignment_are_the_starts():
    assert label_seconds(np.array([0, 60_000_000]), None).tolist() == [0, 60]


@pytest.mark.parametrize("shift_us", [-12 * HOUR_US, -1, 0, 1, 7 * HOUR_US])
def test_bucket_starts_hold_exactly_the_days_with_labels_in_the_range(shift_us):
    from_us = midnight(date(2024, 3, 9)) * 1_000_000 + shift_us
    to_us = midnight(date(2024, 3, 13)) * 1_000_000 + shift_us

    lo_us, hi_us = bucket_starts_us(from_us, to_us, ALIGN)

    for day in days(60):
        is_wanted = from_us <= midnight(day) * 1_000_000 < to_us
        assert (lo_us <= evening_before(day) <= hi_us) is is_wanted


def test_bucket_starts_without_alignment_leave_the_end_out():
    assert bucket_starts_us(60, 120, None) == (60, 119)


def test_bucket_starts_are_never_before_the_epoch():
    assert bucket_starts_us(0, 1, ALIGN) == (0, 0)
