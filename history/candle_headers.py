"""Headers of candle answers: how long they may be kept, and what there is instead."""

from datetime import UTC, datetime

from marketdata.timeframes import Timeframe

# Server A's (COMPAT A-RE-09), in seconds.
_MAX_AGES_S = {
    Timeframe.M1: 60,
    Timeframe.M5: 300,
    Timeframe.M15: 600,
    Timeframe.H1: 1_800,
    Timeframe.H4: 3_600,
    Timeframe.H12: 3_600,
}
_DEFAULT_MAX_AGE_S = 600
_WARNING = (
    '199 - "No data available for requested date range. Check X-Available-From and '
    'X-Available-To headers for available data range."'
)


def cache_control(timeframe: Timeframe, end_us: int, now_us: int) -> str:
    """Return `Cache-Control` of a range that ends with the bucket at ``end_us``.

    A range that reaches the open bucket, or the future, must be asked for again.
    """
    if timeframe.floor_us(end_us) >= timeframe.floor_us(now_us):
        return "no-cache"
    return f"public, max-age={_MAX_AGES_S.get(timeframe, _DEFAULT_MAX_AGE_S)}"


def empty_range_headers(earliest: datetime, latest: datetime) -> dict[str, str]:
    """Return what an answer without candles says of the data that there is.

    An import may fill the range at any time, so the answer must not be kept.
    """
    return {
        "X-Data-Available": "false",
        "X-Available-From": _iso_ms(earliest),
        "X-Available-To": _iso_ms(latest),
        "Warning": _WARNING,
        "Cache-Control": "no-cache",
    }


def _iso_ms(time: datetime) -> str:
    text = time.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
