"""Answers of `/api/ticks`: a page of ticks or trades, or a stream of all of a range."""

from collections.abc import AsyncIterator

import msgspec
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified

from history.columns import Array
from history.data_version import is_settled, record_version
from history.etags import make_etag, matches
from history.formats import encode_page, tail
from history.pages import PAGE_ROWS, page_headers, rows_response, rows_stream
from history.reader import Reader
from history.record_bodies import TickBody, TradeBody, tick_values, trade_values
from history.record_cursor import Position, encode_cursor
from history.record_plan import RecordRange, plan_ticks, plan_trades
from history.record_queries import RecordQuery, RecordType
from history.row_headers import IMMUTABLE, REVALIDATE, empty_range_headers
from history.series_info import SeriesInfo

# Raised when the same records get another body, so that no client keeps the old one.
_BODY_VERSION = 1
_MAX_AGE_S = 60

_TICK = (
    "r.time",
    "r.bid",
    "r.ask",
    "coalesce(r.bid_size, 'NaN')",
    "coalesce(r.ask_size, 'NaN')",
    "r.seq",
)
_TRADE = ("r.time", "r.price", "r.size", "coalesce(r.side, 0)", "r.trade_id", "r.seq")


async def answer_records(
    request: HttpRequest, query: RecordQuery, series: SeriesInfo
) -> HttpResponse:
    """Return the answer; without a query for records where the client has a copy."""
    reader = request.services.reader
    headers = _headers(query, series)
    if matches(request.META.get("HTTP_IF_NONE_MATCH"), headers["ETag"]):
        return HttpResponseNotModified(headers=headers)
    limit = query.limit or PAGE_ROWS
    columns = await _read(reader, series, query, limit + 1)
    has_more = len(columns[0]) > limit
    if has_more and query.limit is None:
        pages = _pages(reader, series, query, columns)
        return rows_stream(pages, query.form, headers)
    if not len(columns[0]):
        headers = empty_range_headers(headers, series.earliest, series.latest)
    if has_more:
        columns = [column[:limit] for column in columns]
        headers |= page_headers(request, encode_cursor(_position(columns)), limit)
    body = _encode(columns, series, query, is_first=True) + tail(query.form)
    return rows_response(body, query.form, headers)


def _headers(query: RecordQuery, series: SeriesInfo) -> dict[str, str]:
    etag = make_etag(
        _BODY_VERSION, record_version(series, query.end_us), series.decimals, query
    )
    lifetime = REVALIDATE
    if is_settled(series, query.end_us + 1):
        is_immutable = query.version == series.version
        lifetime = IMMUTABLE if is_immutable else f"public, max-age={_MAX_AGE_S}"
    return {"ETag": etag, "Cache-Control": lifetime, "X-Broker": series.broker}


async def _read(
    reader: Reader, series: SeriesInfo, query: RecordQuery, limit: int
) -> list[Array]:
    """Return the columns of the body, and after them ``seq``."""
    wanted = RecordRange(query.start_us, query.end_us, limit, query.after)
    if query.kind is RecordType.TICK:
        return await reader.fetch_columns(plan_ticks(series.series_id, wanted), _TICK)
    return await reader.fetch_columns(plan_trades(series.series_id, wanted), _TRADE)


async def _pages(
    reader: Reader, series: SeriesInfo, query: RecordQuery, columns: list[Array]
) -> AsyncIterator[bytes]:
    is_first = True
    while True:
        yield _encode(columns, series, query, is_first=is_first)
        if len(columns[0]) <= PAGE_ROWS:
            break
        query = msgspec.structs.replace(query, after=_position(columns))
        columns, is_first = await _read(reader, series, query, PAGE_ROWS + 1), False
    yield tail(query.form)


def _encode(
    columns: list[Array], series: SeriesInfo, query: RecordQuery, *, is_first: bool
) -> bytes:
    *fields, _ = columns
    if query.kind is RecordType.TICK:
        values = tick_values(fields, series.decimals)
        return encode_page(TickBody, values, query.form, is_first=is_first)
    values = trade_values(fields, series.decimals)
    return encode_page(TradeBody, values, query.form, is_first=is_first)


def _position(columns: list[Array]) -> Position:
    return Position(int(columns[0][-1]), int(columns[-1][-1]))
