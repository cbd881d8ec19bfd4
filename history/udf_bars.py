"""Bars as TradingView's UDF protocol asks for them and wants them. Pure.

Asked for are the last `countback` bars before `to`, which is exclusive; `from` counts
only where there is no `countback`. An answer is a table of columns:

    {"s": "ok", "t": [1704153600], "o": [1.1], "h": [1.2], "l": [1], "c": [1], "v": [3]}
    {"s": "no_data", "nextTime": 1704153600}

with `nextTime` the last bar before a range without bars; none, and there is no older.
https://www.tradingview.com/charting-library-docs/latest/connecting_data/UDF (2026-11).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from history.candle_bodies import CandleBody, candle_values
from history.candle_range import MAX_SECONDS_SPAN_US, CandleRange
from history.columns import Array
from history.query_fields import InvalidValue, QueryFields, time_parser
from history.udf_markets import Market, bucket_starts_us, label_seconds
from marketdata.timeframes import PriceSide, Timeframe

# The library goes on asking where it gets less than it wants.
MAX_BARS = 10_000
RESOLUTIONS = {
    "1S": Timeframe.S1,
    "1": Timeframe.M1,
    "5": Timeframe.M5,
    "15": Timeframe.M15,
    "30": Timeframe.M30,
    "60": Timeframe.H1,
    "240": Timeframe.H4,
    "720": Timeframe.H12,
    "1D": Timeframe.D1,
    "1W": Timeframe.W1,
}
# Older libraries leave the one out.
_SHORT = {"S": "1S", "D": "1D", "W": "1W"}
_BEFORE_1970 = re.compile(r"-[0-9]+")
_DIGITS = re.compile(r"[0-9]{1,18}")


class BarBody(CandleBody, gc=False):
    """The columns of a bar."""

    volume: float


class BarQuery(msgspec.Struct, frozen=True):
    """A checked request: the last ``limit`` bars in [``from_us``, ``to_us``)."""

    timeframe: Timeframe
    from_us: int
    to_us: int
    limit: int = MAX_BARS


def parse_bar_query(parameters: Mapping[str, str], *, now_us: int) -> BarQuery:
    """Return the query of `/udf/history`; without `to` it reaches to the next bar.

    Raises:
        InvalidQuery: naming every field that is wrong.
    """
    fields = QueryFields(parameters)
    timeframe = fields.required("resolution", _parse_resolution)
    limit = fields.optional("countback", _parse_countback, None)
    to_us = fields.optional("to", _seconds_parser("to"), now_us + 1_000_000)
    from_us: int | None = 0
    if "countback" not in parameters:
        from_us = fields.required("from", _seconds_parser("from"))
        is_long = to_us - (from_us or 0) > MAX_SECONDS_SPAN_US
        if timeframe is Timeframe.S1 and is_long:
            fields.refuse("from", "a range of 1S bars cannot exceed 1 day")
    fields.check()
    return BarQuery(
        timeframe=timeframe or Timeframe.M1,
        from_us=from_us or 0,
        to_us=max(to_us, 1),
        limit=MAX_BARS if limit is None else limit,
    )


def candle_range(query: BarQuery, market: Market, price_side: PriceSide) -> CandleRange:
    """Return the candles that are the bars of a query."""
    align = market.align_of(query.timeframe)
    start_us, end_us = bucket_starts_us(query.from_us, query.to_us, align)
    return CandleRange(
        timeframe=query.timeframe,
        price_side=price_side,
        start_us=start_us,
        end_us=end_us,
        limit=query.limit,
        takes_last=True,
        align=align,
    )


def bars_body(
    columns: Sequence[Array], wanted: CandleRange, decimals: int
) -> dict[str, Any]:
    """Return the table of bars, oldest first, times unique.

    Args:
        columns: in the order of the fields of ``BarBody``, times in us.
    """
    _, opens, highs, lows, closes, volumes = candle_values(columns, decimals)
    return {
        "s": "ok",
        "t": label_seconds(columns[0], wanted.align).tolist(),
        "o": opens,
        "h": highs,
        "l": lows,
        "c": closes,
        "v": volumes,
    }


def no_data_body(last_before: Sequence[Array], wanted: CandleRange) -> dict[str, Any]:
    """Return the answer of a range without bars.

    Args:
        last_before: columns of the last candle before the range, if there is one.
    """
    times = label_seconds(last_before[0], wanted.align).tolist()
    return {"s": "no_data", "nextTime": int(times[-1])} if times else {"s": "no_data"}


def _parse_resolution(text: str) -> Timeframe:
    name = text.upper()
    timeframe = RESOLUTIONS.get(_SHORT.get(name, name))
    if timeframe is None:
        raise InvalidValue(f"expected one of {', '.join(RESOLUTIONS)}")
    return timeframe


def _parse_countback(text: str) -> int:
    """Return how many bars are wanted, at most ``MAX_BARS``."""
    if not _DIGITS.fullmatch(text) or int(text) < 1:
        raise InvalidValue("expected a whole number from 1 on")
    return min(int(text), MAX_BARS)


def _seconds_parser(name: str) -> Callable[[str], int]:
    """Return the parser of a time; libraries count back to before 1970."""
    parse = time_parser(name)
    return lambda text: 0 if _BEFORE_1970.fullmatch(text) else parse(text)
