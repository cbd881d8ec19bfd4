"""Answers of `/api/candles`: the client's copy, one that was kept, or candles."""

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified

from history.answer_cache import KeptAnswer
from history.candle_bodies import CandleBody, FullCandleBody, candle_values
from history.candle_headers import cache_control
from history.candle_queries import CandleQuery
from history.candle_range import Buckets, CandleRange
from history.candle_reads import read_candles
from history.columns import Array
from history.data_version import data_version, is_settled
from history.etags import make_etag, matches
from history.formats import Format, encode_page, tail
from history.pages import (
    PAGE_ROWS,
    PEOPLE_ROWS,
    page_headers,
    rows_response,
    rows_stream,
)
from history.reader import Reader
from history.record_cursor import Position, encode_cursor
from history.row_headers import empty_range_headers
from history.series_info import SeriesInfo
from marketdata.durations import HOUR_US
from marketdata.timeframes import Timeframe

# Raised when the same candles get another body, so that no client keeps the old one.
_BODY_VERSION = 1


class Job(msgspec.Struct, frozen=True):
    """What is to be answered: a query, where it lies, of which series, and when."""

    query: CandleQuery
    buckets: Buckets
    series: SeriesInfo
    form: Format
    now_us: int

    @property
    def wanted(self) -> CandleRange:
        """The range; for people no more of it than a page shows."""
        wanted = self.query.wanted
        if self.form is Format.PAGE and wanted.limit is None:
            return msgspec.structs.replace(wanted, limit=PEOPLE_ROWS)
        return wanted

    @property
    def earliest(self) -> datetime | None:
        """Where there are candles from on; those of 1s are made of records."""
        is_stored = self.buckets.source is not None
        return self.series.candles_from if is_stored else self.series.earliest

    @property
    def kind(self) -> type[CandleBody]:
        """The shape of a candle."""
        return FullCandleBody if self.query.is_full else CandleBody


async def answer_candles(request: HttpRequest, job: Job) -> HttpResponse:
    """Return the answer; without a query for candles where it is known already."""
    services = request.services
    is_kept = is_settled(job.series, job.buckets.hi_us)
    headers = _headers(job, is_settled=is_kept)
    etag = headers["ETag"]
    if matches(request.META.get("HTTP_IF_NONE_MATCH"), etag):
        return HttpResponseNotModified(headers=headers)
    if job.wanted.limit is None and _most_rows(job) > PAGE_ROWS:
        return await _stream(services.reader, job, headers)
    answer = services.cache.get(etag) if is_kept else None
    if answer is None:
        answer = await _read(services.reader, job)
        if is_kept and answer.has_rows:
            services.cache.put(etag, answer)
    if not answer.has_rows:
        headers = empty_range_headers(headers, job.earliest, job.series.latest)
    headers |= page_headers(request, answer.next_cursor, job.wanted.limit or 0)
    return rows_response(answer.body, job.form, headers)


def _headers(job: Job, *, is_settled: bool) -> dict[str, str]:
    query, series, wanted = job.query, job.series, job.wanted
    etag = make_etag(
        _BODY_VERSION,
        data_version(series, query.wanted, job.now_us),
        series.decimals,
        wanted.timeframe,
        wanted.price_side,
        wanted.align,
        wanted.limit,
        wanted.takes_last,
        job.buckets.lo_us,
        job.buckets.hi_us,
        job.form,
        query.is_full,
    )
    lifetime = cache_control(
        query.wanted,
        job.now_us,
        is_pending=bool(series.pending),
        is_immutable=is_settled and query.version == series.version,
    )
    return {"ETag": etag, "Cache-Control": lifetime, "X-Broker": series.broker}


def _most_rows(job: Job) -> int:
    span_us = job.buckets.hi_us - job.buckets.lo_us
    return span_us // (job.query.wanted.timeframe.length_s * 1_000_000)


async def _read(reader: Reader, job: Job) -> KeptAnswer:
    wanted, next_cursor = job.wanted, ""
    limit = None if wanted.takes_last else wanted.limit
    if limit is not None:
        # One more than is wanted says whether there is a next page.
        wanted = msgspec.structs.replace(wanted, limit=limit + 1)
    columns = await _candles(reader, job, wanted)
    if limit is not None and len(columns[0]) > limit:
        columns = [column[:limit] for column in columns]
        next_cursor = encode_cursor(Position(int(columns[0][-1]) + 1))
    values = candle_values(columns, job.series.decimals)
    body = encode_page(job.kind, values, job.form, is_first=True) + tail(job.form)
    return KeptAnswer(body, next_cursor, has_rows=len(columns[0]) > 0)


async def _stream(reader: Reader, job: Job, headers: dict[str, str]) -> HttpResponse:
    columns, rest = await _next_page(reader, job, job.wanted)
    if not len(columns[0]):
        headers = empty_range_headers(headers, job.earliest, job.series.latest)
    return rows_stream(_pages(reader, job, columns, rest), job.form, headers)


async def _pages(
    reader: Reader, job: Job, columns: list[Array], rest: CandleRange | None
) -> AsyncIterator[bytes]:
    is_first = True
    while True:
        values = candle_values(columns, job.series.decimals)
        yield encode_page(job.kind, values, job.form, is_first=is_first)
        if rest is None:
            break
        (columns, rest), is_first = await _next_page(reader, job, rest), False
    yield tail(job.form)


async def _next_page(
    reader: Reader, job: Job, wanted: CandleRange
) -> tuple[list[Array], CandleRange | None]:
    """Return the first candles of a range, and what is left of it, None at its end."""
    if wanted.timeframe is Timeframe.S1:
        return await _next_hour(reader, job, wanted)
    page = msgspec.structs.replace(wanted, limit=PAGE_ROWS)
    columns = await _candles(reader, job, page)
    if len(columns[0]) < PAGE_ROWS:
        return columns, None
    return columns, _after(wanted, int(columns[0][-1]))


async def _next_hour(
    reader: Reader, job: Job, wanted: CandleRange
) -> tuple[list[Array], CandleRange | None]:
    """Return the next hour that has candles: a limit would look for each second.

    A day takes 0.5 s so, 1.4 s in pages of rows (2 cores, 2026-11).
    """
    while True:
        end_us = min(wanted.start_us + HOUR_US - 1, wanted.end_us)
        page = msgspec.structs.replace(wanted, end_us=end_us)
        columns = await _candles(reader, job, page)
        if end_us == wanted.end_us:
            return columns, None
        wanted = _after(wanted, end_us)
        if len(columns[0]):
            return columns, wanted


def _after(wanted: CandleRange, time_us: int) -> CandleRange:
    return msgspec.structs.replace(wanted, start_us=time_us + 1)


async def _candles(reader: Reader, job: Job, wanted: CandleRange) -> list[Array]:
    return await read_candles(
        reader, job.series.series_id, wanted, job.kind, now_us=job.now_us
    )
