"""What is stored, as REST shows it; times in Unix seconds, rounded down."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from history.serializers import SERVED
from history.series_query import SeriesInfo


def metadata_body(series: SeriesInfo) -> dict[str, Any]:
    """Return what `/api/metadata?symbol=` answers."""
    return {**_figures(series), "timeframes": SERVED}


def metadata_list_body(answers: Sequence[SeriesInfo]) -> dict[str, Any]:
    """Return what `/api/metadata` answers, in the order given."""
    return {
        "symbols": [_figures(series) for series in answers],
        "timeframes": SERVED,
    }


def _figures(series: SeriesInfo) -> dict[str, Any]:
    return {
        "symbol": series.symbol,
        "earliest": _seconds(series.earliest),
        "latest": _seconds(series.latest),
        "tick_count": series.tick_count,
        "brokers": series.brokers,
        "version": series.version,
    }


def _seconds(time: datetime) -> int:
    return int(time.timestamp() // 1)
