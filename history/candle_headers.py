"""How long answers with candles may be kept."""

from history.candle_range import CandleRange, bucket_end_us
from history.data_version import LATE_US
from history.row_headers import IMMUTABLE, REVALIDATE
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


def cache_control(
    wanted: CandleRange, now_us: int, *, is_pending: bool, is_immutable: bool
) -> str:
    """Return `Cache-Control` of a range of candles.

    A range that reaches the open bucket, or the future, or that ended less than
    ``LATE_US`` ago, for its last records may be on their way, or that holds a change
    whose candles are not built yet, must be asked for again. ``is_immutable`` says
    that the address names the version of the data, so that a change has another one.
    """
    end_us = bucket_end_us(wanted.timeframe, wanted.align, wanted.end_us)
    if is_pending or end_us + LATE_US > now_us:
        return REVALIDATE
    if is_immutable:
        return IMMUTABLE
    age_s = _MAX_AGES_S.get(wanted.timeframe, _DEFAULT_MAX_AGE_S)
    return f"public, max-age={age_s}"
