"""REST of the history: candles and metadata."""

import time

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from history.api_errors import json_response
from history.api_parameters import (
    BROKER,
    CANDLE_PARAMETERS,
    FROM,
    NEEDED_SYMBOL,
    PAGE_PARAMETERS,
    PATH_SYMBOL,
    PATH_TIMEFRAME,
    RECORD_TYPE,
    SYMBOL,
    TIMEFRAME,
    TO,
)
from history.api_schema import documented
from history.candle_answers import Job, answer_candles
from history.candle_bodies import CandleBody, FullCandleBody
from history.candle_queries import parse_candle_path, parse_candle_query
from history.candle_range import buckets_of, clip_range, span_of
from history.endpoint import Endpoint
from history.exceptions import SymbolNotFound
from history.metadata_bodies import (
    MetadataBody,
    MetadataListBody,
    metadata_body,
    metadata_list_body,
)
from history.query_fields import QueryFields, parse_symbol
from history.record_answers import answer_records
from history.record_bodies import TickBody, TradeBody
from history.record_queries import parse_record_query
from history.series_query import all_series_of, plan_all_series, plan_series, series_of
from history.symbol_bodies import SELECT_SYMBOLS, SymbolBody, symbol_bodies
from history.timestamps import to_us


@documented(
    "candles",
    (list[CandleBody], list[FullCandleBody]),
    rows=CandleBody,
    errors=[403, 404],
    parameters=[NEEDED_SYMBOL, TIMEFRAME, *CANDLE_PARAMETERS],
)
class CandlesView(Endpoint):
    """Candles of a symbol, oldest first; `from` and `to` both include their bucket.

    `/api/candles?symbol=EURUSD&timeframe=1h&from=1704153600&to=1704240000` or
    `/api/candles/EURUSD/1h?from=1704153600&to=1704240000`.
    """

    too_many = "Too many data requests from this IP, please try again later"

    async def answer(
        self, request: HttpRequest, symbol: str = "", timeframe: str = ""
    ) -> HttpResponse:
        """Answer the candles of the range."""
        now_us = time.time_ns() // 1_000
        limits = {"max_range_days": settings.MAX_RANGE_DAYS, "now_us": now_us}
        parameters = request.GET.dict()
        if symbol:
            query = parse_candle_path(symbol, timeframe, parameters, **limits)
        else:
            query = parse_candle_query(parameters, **limits)
        lookups = request.services.lookups
        # Before the candles, for a tag must never be newer than what it stands for.
        plan = plan_series(query.symbol, span_of(query.wanted, now_us))
        rows = await lookups.fetch(plan.sql, plan.parameters)
        client_plan = request.client.plan
        series = series_of(rows, query.symbol, query.broker, plan=client_plan)
        wanted = clip_range(query.wanted, to_us(series.candles_from))
        query = msgspec.structs.replace(query, wanted=wanted)
        buckets = buckets_of(wanted, now_us)
        job = Job(query, buckets, series, query.form or request.form, now_us)
        return await answer_candles(request, job)


@documented(
    "candles_of_symbol",
    (list[CandleBody], list[FullCandleBody]),
    rows=CandleBody,
    errors=[403, 404],
    parameters=[PATH_SYMBOL, PATH_TIMEFRAME, *CANDLE_PARAMETERS],
)
class CandlesOfSymbolView(CandlesView):
    """The same by an address without a query for what is wanted."""


@documented(
    "ticks",
    (list[TickBody], list[TradeBody]),
    rows=TickBody,
    errors=[403, 404],
    parameters=[NEEDED_SYMBOL, FROM, TO, RECORD_TYPE, BROKER, *PAGE_PARAMETERS],
)
class TicksView(Endpoint):
    """Ticks of a symbol, or its trades, in the order of time; a page at a time."""

    too_many = CandlesView.too_many

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer the records of the range."""
        query = parse_record_query(
            request.GET.dict(),
            form=request.form,
            max_range_days=settings.MAX_RANGE_DAYS,
            now_us=time.time_ns() // 1_000,
        )
        plan = plan_series(query.symbol, (query.start_us, query.end_us + 1))
        rows = await request.services.lookups.fetch(plan.sql, plan.parameters)
        client_plan = request.client.plan
        series = series_of(rows, query.symbol, query.broker, plan=client_plan)
        return await answer_records(request, query, series)


@documented("symbols", list[SymbolBody])
class SymbolsView(Endpoint):
    """Every instrument, the brokers that carry it, and since when there are data."""

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer all of them, by symbol."""
        rows = await request.services.lookups.fetch(SELECT_SYMBOLS)
        return json_response(symbol_bodies(rows, request.client.plan))


@documented(
    "metadata", (MetadataListBody, MetadataBody), errors=[403, 404], parameters=[SYMBOL]
)
class MetadataView(Endpoint):
    """What is stored: of all symbols, or of one (`?symbol=EURUSD`, `/EURUSD`)."""

    async def answer(self, request: HttpRequest, symbol: str = "") -> HttpResponse:
        """Answer figures that the writers maintain; no rows are counted."""
        fields = QueryFields({"symbol": symbol} if symbol else request.GET.dict())
        wanted = fields.optional("symbol", parse_symbol, "")
        fields.check()
        lookups = request.services.lookups
        if not wanted:
            plan = plan_all_series()
            rows = await lookups.fetch(plan.sql)
            found = all_series_of(rows, request.client.plan)
            return json_response(metadata_list_body(found))
        plan = plan_series(wanted)
        rows = await lookups.fetch(plan.sql, plan.parameters)
        try:
            series = series_of(rows, wanted, plan=request.client.plan)
        except SymbolNotFound as exc:
            raise SymbolNotFound(wanted, "Symbol not found") from exc
        response = json_response(metadata_body(series))
        response.headers["X-Broker"] = series.broker
        return response


@documented(
    "metadata_of_symbol", MetadataBody, errors=[403, 404], parameters=[PATH_SYMBOL]
)
class MetadataOfSymbolView(MetadataView):
    """The same by an address without a query."""
