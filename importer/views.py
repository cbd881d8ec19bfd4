"""REST of the importer: what is had of each hour."""

import asyncio
import time
from collections.abc import Callable
from typing import Literal

import msgspec
from django.http import HttpRequest, HttpResponse

from history.api_errors import json_response
from history.api_parameters import BROKER, NEEDED_SYMBOL, START, TO
from history.api_schema import documented
from history.endpoint import Endpoint
from history.exceptions import SymbolNotFound
from history.query_fields import (
    QueryFields,
    check_range,
    parse_broker,
    parse_symbol,
    time_parser,
)
from history.udf_query import listing_of, plan_listing
from history.udf_symbols import Ticker
from importer.coverage import Cover
from importer.hours import HourRange
from importer.series_coverage import (
    coverage_body,
    covered_hours,
    feed_gaps,
    feed_state,
    plan_coverage,
    plan_unstored,
    unstored_hours,
)
from marketdata.durations import DAY_US, HOUR_US
from marketdata.exceptions import UnknownBroker

DEFAULT_DAYS = 30
MAX_DAYS = 366


class HourBody(msgspec.Struct):
    """An hour, by its start."""

    hour: int
    state: Cover
    rows: int


class GapBody(msgspec.Struct):
    """A stretch of hours that are not had, for the reason that is their state.

    Or, with a `type`, what a live feed never got of its ticks or trades, with the
    reason in words. `to` is excluded.
    """

    start: int = msgspec.field(name="from")
    to: int
    reason: str
    type: Literal["tick", "trade"] | msgspec.UnsetType = msgspec.UNSET


class FeedBody(msgspec.Struct):
    """What a live feed's connection is, since when, and until when it was live."""

    state: str
    since: int
    live_until: int | None


class CoverageBody(msgspec.Struct):
    """What `importer.series_coverage.coverage_body` returns."""

    symbol: str
    broker: str
    hours: list[HourBody]
    gaps: list[GapBody]
    feed: FeedBody | msgspec.UnsetType = msgspec.UNSET


@documented(
    "coverage",
    CoverageBody,
    errors=[403, 404],
    parameters=[NEEDED_SYMBOL, BROKER, START, TO],
)
class CoverageView(Endpoint):
    """The state of each hour of a series, and the gaps; the last 30 days by default."""

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer the hours that touch the range."""
        fields = QueryFields(request.GET.dict())
        symbol = fields.required("symbol", parse_symbol) or ""
        broker = fields.optional("broker", parse_broker, "")
        now_us = time.time_ns() // 1_000
        end_us = fields.optional("to", time_parser("to"), now_us)
        start_us = fields.optional(
            "from", time_parser("from"), max(0, end_us - DEFAULT_DAYS * DAY_US)
        )
        fields.check()
        if start_us >= end_us:
            fields.refuse("", "from timestamp must be before to timestamp")
        check_range(fields, end_us - start_us, MAX_DAYS)
        fields.check()
        hours = HourRange(start_us - start_us % HOUR_US, end_us + -end_us % HOUR_US)
        body = await _body(request, Ticker(symbol, broker), hours, now_us)
        # A year of hours takes 20 ms, one without any rows 100 (busy 2 cores).
        answer = await asyncio.to_thread(body)
        response = json_response(answer)
        response.headers["X-Broker"] = str(answer["broker"])
        return response


async def _body(
    request: HttpRequest, ticker: Ticker, hours: HourRange, now_us: int
) -> Callable[[], dict[str, object]]:
    """Return what makes the body, of rows that are read: two statements at most.

    Raises:
        SymbolNotFound, UnknownBroker, Forbidden: as `udf_query.listing_of`, but for
            what the named broker carries without that anything is stored.
    """
    lookups, reader = request.services.lookups, request.services.reader
    plan = plan_listing(ticker.symbol)
    rows = await lookups.fetch(plan.sql, plan.parameters)
    try:
        listing = listing_of(rows, ticker, request.client.plan)
    except (SymbolNotFound, UnknownBroker):
        plan = plan_unstored(ticker.symbol, ticker.broker, hours)
        found = await reader.fetch(plan.sql, plan.parameters)
        if not found or not request.client.plan.allows(ticker.broker, ticker.symbol):
            raise
        return lambda: coverage_body(
            ticker.symbol, ticker.broker, unstored_hours(found, hours)
        )
    series = listing.series
    plan = plan_coverage(series.series_id, hours, broker=series.broker)
    read = await reader.fetch(plan.sql, plan.parameters)
    return lambda: coverage_body(
        series.symbol,
        series.broker,
        covered_hours(read, listing.type, hours),
        feed_gaps(read),
        feed_state(read, now_us),
    )
