"""REST of the history: candles and metadata.

Views are synchronous: under ASGI each request runs in a thread of its own with a
database connection of its own, so a slow query delays no socket and no other request.
"""

import time
from collections.abc import Sequence

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from history.candle_bodies import CandleBody, candle_bodies, full_candle_bodies
from history.candle_headers import cache_control, empty_range_headers
from history.candle_query import CandleRow, select_candles
from history.exceptions import DatabaseUnavailable, SymbolNotFound
from history.metadata_bodies import metadata_body, metadata_list_body
from history.renderers import JSONUnlessAsked
from history.serializers import (
    CandleQuery,
    parse_candle_path,
    parse_candle_query,
    parse_symbol,
)
from history.series_query import SeriesInfo, select_all_series, select_series


class HistoryView(APIView):
    """What all reading views have in common."""

    content_negotiation_class = JSONUnlessAsked

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Refuse at once where the server runs without a database."""
        super().initial(request, *args, **kwargs)
        if not settings.DATABASE_URL:
            raise DatabaseUnavailable


class CandlesView(HistoryView):
    """Candles of a symbol, oldest first; `from` and `to` both include their bucket.

    `/api/candles?symbol=EURUSD&timeframe=1h&from=1704153600&to=1704240000` or
    `/api/candles/EURUSD/1h?from=1704153600&to=1704240000`. Times are Unix seconds or
    ISO 8601. Also `price=mid|bid|ask|trade`, `broker=`, `fields=full`.
    """

    def get(self, request: Request, symbol: str = "", timeframe: str = "") -> Response:
        """Answer the candles of the range."""
        if symbol:
            query = parse_candle_path(symbol, timeframe, request.query_params)
        else:
            query = parse_candle_query(request.query_params)
        series = select_series(query.symbol, query.broker)
        rows = select_candles(
            series.series_id,
            query.timeframe,
            query.price_side,
            query.start_us,
            query.end_us,
        )
        return _candles_response(query, series, rows)


class MetadataView(HistoryView):
    """What is stored: of all symbols, or of one (`?symbol=EURUSD`, `/EURUSD`)."""

    def get(self, request: Request, symbol: str = "") -> Response:
        """Answer figures that the writers maintain; no rows are counted."""
        wanted = parse_symbol({"symbol": symbol} if symbol else request.query_params)
        if not wanted:
            return Response(metadata_list_body(select_all_series()))
        try:
            series = select_series(wanted)
        except SymbolNotFound as exc:
            raise SymbolNotFound(wanted, "Symbol not found") from exc
        return Response(metadata_body(series), headers={"X-Broker": series.broker})


def _candles_response(
    query: CandleQuery, series: SeriesInfo, rows: list[CandleRow]
) -> Response:
    now_us = time.time_ns() // 1_000
    headers = {
        "X-Broker": series.broker,
        "Cache-Control": cache_control(query.timeframe, query.end_us, now_us),
    }
    if not rows:
        headers.update(empty_range_headers(series.earliest, series.latest))
    return Response(_candles_body(query, series, rows, now_us), headers=headers)


def _candles_body(
    query: CandleQuery, series: SeriesInfo, rows: list[CandleRow], now_us: int
) -> Sequence[CandleBody]:
    if query.is_full:
        return full_candle_bodies(
            rows, series.decimals, timeframe=query.timeframe, now_us=now_us
        )
    return candle_bodies(rows, series.decimals)
