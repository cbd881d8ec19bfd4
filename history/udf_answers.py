"""Answers of `/udf/history`: of the client's copy, the cache, or candles."""

from collections.abc import Sequence

import msgspec
import numpy as np
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified

from history.alignment import ALIGNED
from history.answer_cache import KeptAnswer
from history.candle_headers import cache_control
from history.candle_range import (
    Buckets,
    CandleRange,
    bucket_end_us,
    buckets_of,
    clip_range,
)
from history.candle_reads import read_candles
from history.columns import Array
from history.data_version import data_version, is_settled
from history.etags import make_etag, matches
from history.reader import Reader
from history.row_headers import REVALIDATE
from history.series_info import SeriesInfo
from history.timestamps import to_us
from history.udf_bars import BarBody, BarQuery, bars_body, candle_range, no_data_body
from history.udf_markets import market_of
from history.udf_query import listing_of, plan_listing
from history.udf_symbols import Ticker
from marketdata.durations import DAY_US, MINUTE_US
from marketdata.timeframes import PriceSide, Timeframe

# Raised when the same candles get another body, so that no client keeps the old one.
_BODY_VERSION = 1


class Job(msgspec.Struct, frozen=True):
    """What is to be answered: candles of a series, and when."""

    series: SeriesInfo
    wanted: CandleRange
    buckets: Buckets
    now_us: int


async def answer_bars(
    request: HttpRequest, ticker: Ticker, query: BarQuery, *, now_us: int
) -> HttpResponse:
    """Return the answer; without a query for candles where it is known already.

    Raises:
        SymbolNotFound, UnknownBroker: nothing is stored of the ticker.
        Forbidden: the client's plan does not allow it.
    """
    services = request.services
    job = await _job(request, ticker, query, now_us)
    headers = _headers(job)
    etag = headers["ETag"]
    if matches(request.META.get("HTTP_IF_NONE_MATCH"), etag):
        return HttpResponseNotModified(headers=headers)
    is_kept = is_settled(job.series, job.buckets.hi_us)
    answer = services.cache.get(etag) if is_kept else None
    if answer is None:
        answer = await _read(services.reader, job)
        if is_kept and answer.has_rows:
            services.cache.put(etag, answer)
    if not answer.has_rows:
        # The last bar before the range is not in the tag, and an import may fill both.
        headers = {"X-Broker": job.series.broker, "Cache-Control": REVALIDATE}
    return HttpResponse(
        answer.body, headers={"Content-Type": "application/json", **headers}
    )


async def _job(
    request: HttpRequest, ticker: Ticker, query: BarQuery, now_us: int
) -> Job:
    # Before the candles, for a tag must never be newer than what it stands for.
    plan = plan_listing(ticker.symbol, (0, _end_us(query)))
    rows = await request.services.lookups.fetch(plan.sql, plan.parameters)
    listing = listing_of(rows, ticker, request.client.plan)
    series = listing.series
    # A venue may send trades alone; their prices are better than none.
    side = PriceSide.MID if series.has_ticks else PriceSide.TRADE
    wanted = candle_range(query, market_of(listing.type), side)
    wanted = clip_range(wanted, to_us(series.candles_from))
    return Job(series, wanted, buckets_of(wanted, now_us), now_us)


def _end_us(query: BarQuery) -> int:
    """Return a moment after the last bucket; days are cut as the instrument says."""
    end_us = bucket_end_us(query.timeframe, None, query.to_us - 1)
    return end_us + DAY_US if query.timeframe in ALIGNED else end_us


def _headers(job: Job) -> dict[str, str]:
    series, wanted = job.series, job.wanted
    etag = make_etag(
        "udf",
        _BODY_VERSION,
        data_version(series, wanted, job.now_us),
        series.decimals,
        wanted.timeframe,
        wanted.price_side,
        wanted.align,
        wanted.limit,
        job.buckets.lo_us,
        job.buckets.hi_us,
    )
    lifetime = cache_control(
        wanted, job.now_us, is_pending=bool(series.pending), is_immutable=False
    )
    return {"ETag": etag, "Cache-Control": lifetime, "X-Broker": series.broker}


async def _read(reader: Reader, job: Job) -> KeptAnswer:
    columns = await _candles(reader, job, job.wanted)
    if len(columns[0]):
        body = bars_body(columns, job.wanted, job.series.decimals)
        return KeptAnswer(msgspec.json.encode(body))
    found = await _last_before(reader, job)
    body = no_data_body(found, job.wanted)
    return KeptAnswer(msgspec.json.encode(body), has_rows=False)


async def _last_before(reader: Reader, job: Job) -> Sequence[Array]:
    """Return the columns of the last candle before the range, empty if there is none.

    1s candles are made of their records, of a day at most, so theirs is looked for in
    the last two minutes with candles: one of them may hold later records only.
    """
    before_us = min(job.buckets.lo_us - 1, job.wanted.end_us)
    if job.wanted.timeframe is not Timeframe.S1:
        return await _candles(reader, job, _last(job.wanted, before_us, 1))
    minute = msgspec.structs.replace(job.wanted, timeframe=Timeframe.M1)
    times = (await _candles(reader, job, _last(minute, before_us, 2)))[0]
    for start_us in reversed(times.tolist()):
        end_us = min(before_us, start_us + MINUTE_US - 1)
        wanted = _last(job.wanted, end_us, 1, start_us=start_us)
        columns = await _candles(reader, job, wanted)
        if len(columns[0]):
            return columns
    return [np.empty(0)]


def _last(
    wanted: CandleRange, end_us: int, limit: int, *, start_us: int = 0
) -> CandleRange:
    return msgspec.structs.replace(
        wanted, start_us=start_us, end_us=end_us, limit=limit
    )


async def _candles(reader: Reader, job: Job, wanted: CandleRange) -> list[Array]:
    if wanted.end_us < wanted.start_us:
        return [np.empty(0)]
    return await read_candles(
        reader, job.series.series_id, wanted, BarBody, now_us=job.now_us
    )
