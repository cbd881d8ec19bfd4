"""REST of the importer: what is had of each hour."""

import time

import msgspec
from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest, HttpResponse

from history.api_errors import json_response
from history.api_parameters import BROKER, NEEDED_SYMBOL, START, TO
from history.api_schema import documented
from history.endpoint import Endpoint
from history.query_fields import (
    QueryFields,
    check_range,
    parse_broker,
    parse_symbol,
    time_parser,
)
from history.series_query import select_series
from importer.coverage import Cover
from importer.hours import HOUR_US, HourRange
from importer.series_coverage import coverage_body, select_coverage
from marketdata.catalog import InstrumentType
from marketdata.models import Instrument

DEFAULT_DAYS = 30
MAX_DAYS = 366
_DAY_US = 86_400_000_000


class HourBody(msgspec.Struct):
    """An hour, by its start."""

    hour: int
    state: Cover
    rows: int


class GapBody(msgspec.Struct):
    """A stretch of hours that are not had; `to` is excluded."""

    start: int = msgspec.field(name="from")
    to: int
    reason: Cover


class CoverageBody(msgspec.Struct):
    """What `importer.series_coverage.coverage_body` returns."""

    symbol: str
    broker: str
    hours: list[HourBody]
    gaps: list[GapBody]


@documented(
    "coverage",
    CoverageBody,
    errors=[404],
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
            "from", time_parser("from"), max(0, end_us - DEFAULT_DAYS * _DAY_US)
        )
        fields.check()
        if start_us >= end_us:
            fields.refuse("", "from timestamp must be before to timestamp")
        check_range(fields, end_us - start_us, MAX_DAYS)
        fields.check()
        hours = HourRange(start_us - start_us % HOUR_US, end_us + -end_us % HOUR_US)
        select = sync_to_async(_select_body, thread_sensitive=False)
        body, answering = await select(symbol, broker, hours)
        response = json_response(body)
        response.headers["X-Broker"] = answering
        return response


def _select_body(
    symbol: str, broker: str, hours: HourRange
) -> tuple[dict[str, object], str]:
    """Read by Django's connection of a thread; nobody asks for this often."""
    try:
        series = select_series(symbol, broker)
        instrument = Instrument.objects.only("type").get(symbol=series.symbol)
        covered = select_coverage(
            series.series_id,
            InstrumentType(instrument.type),
            hours,
            broker=series.broker,
        )
        return coverage_body(series.symbol, series.broker, covered), series.broker
    finally:
        connections.close_all()
