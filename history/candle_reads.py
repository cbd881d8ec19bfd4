"""Candles by the reader, as columns: one row of arrays, whatever their number."""

from history.candle_bodies import CandleBody
from history.candle_plan import plan_candles
from history.candle_range import CandleRange
from history.columns import Array
from history.reader import Reader


async def read_candles(
    reader: Reader,
    series_id: int,
    wanted: CandleRange,
    kind: type[CandleBody],
    *,
    now_us: int,
) -> list[Array]:
    """Return the columns of the candles, in the order of the fields of ``kind``.

    Times are microseconds, prices exact. One statement.
    """
    # What is not named is not computed: `complete` costs a probe per candle.
    statement = plan_candles(series_id, wanted, now_us)
    return await reader.fetch_columns(statement, kind.__struct_fields__)
