"""What is stored, as REST shows it; times in Unix seconds, rounded down."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from history.candle_queries import SERVED
from history.series_info import SeriesInfo

_TIMEFRAMES = [timeframe.value for timeframe in SERVED]


class FiguresBody(msgspec.Struct):
    """The series that answers for a symbol; ``brokers`` are all with data of it.

    There are candles from ``earliest`` on, where the ticks were dropped, too.
    """

    symbol: str
    earliest: int
    latest: int
    tick_count: int
    brokers: list[str]
    version: str


class MetadataBody(FiguresBody):
    """What `/api/metadata?symbol=` answers."""

    timeframes: list[str]


class MetadataListBody(msgspec.Struct):
    """What `/api/metadata` answers."""

    symbols: list[FiguresBody]
    timeframes: list[str]


def metadata_body(series: SeriesInfo) -> MetadataBody:
    """Return the figures of one series."""
    return MetadataBody(*_figures(series), _TIMEFRAMES)


def metadata_list_body(answers: Sequence[SeriesInfo]) -> MetadataListBody:
    """Return the figures of all of them, in the order given."""
    figures = [FiguresBody(*_figures(series)) for series in answers]
    return MetadataListBody(figures, _TIMEFRAMES)


def _figures(series: SeriesInfo) -> tuple[str, int, int, int, list[str], str]:
    return (
        series.symbol,
        _seconds(series.candles_from),
        _seconds(series.latest),
        series.tick_count,
        list(series.brokers),
        series.version,
    )


def _seconds(time: datetime) -> int:
    return int(time.timestamp() // 1)
