"""Microseconds since the epoch to the aware datetimes that SQL takes, and back."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_datetime(time_us: int) -> datetime:
    """Return the moment in UTC, exact to the microsecond."""
    return EPOCH + timedelta(microseconds=time_us)


def to_us(moment: datetime) -> int:
    """Return microseconds since the epoch of an aware datetime, exactly."""
    return (moment - EPOCH) // _MICROSECOND
