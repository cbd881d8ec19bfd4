"""TradingView's datafeed protocol (UDF), for its charting library and others like it.

The library's adapter looks at `s` of an answer, not at its status, and takes a symbol
without `s` for a good one (datafeeds/udf/src of the library, read 2026-11). So every
error is `{"s": "error", "errmsg": ...}`, with status 200 where the question was wrong.
"""

import time
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema, extend_schema_view

from history.endpoint import Endpoint, as_drfs
from history.exceptions import InvalidQuery, SymbolNotFound
from history.query_fields import QueryFields, parse_limit
from history.udf_answers import answer_bars
from history.udf_bars import parse_bar_query
from history.udf_query import listing_of, listings_of, plan_listing, plan_listings
from history.udf_schema import (
    COUNTBACK,
    EXCHANGE,
    FROM,
    LIMIT,
    RESOLUTION,
    TEXT,
    TICKER,
    TO,
    TYPE,
    Bars,
    NoBars,
    described,
)
from history.udf_symbols import (
    DEFAULT_RESULTS,
    Listing,
    SearchQuery,
    Ticker,
    config_body,
    parse_ticker,
    search_body,
    symbol_body,
)
from marketdata.exceptions import UnknownBroker

# The library shows a picture of its own for this text.
UNKNOWN_SYMBOL = "unknown_symbol"
_JSON = "application/json"
_NOT_KEPT = {"Cache-Control": "no-store"}


class UdfEndpoint(Endpoint):
    """One address of the protocol; a subclass writes ``reply``."""

    async def reply(self, request: HttpRequest) -> HttpResponse:
        """Return the answer to GET."""
        raise NotImplementedError

    async def answer(self, request: HttpRequest, **path: str) -> HttpResponse:
        """Return the reply, or what was wrong with the question."""
        try:
            return await self.reply(request)
        except (SymbolNotFound, UnknownBroker):
            return _json(_error_body(UNKNOWN_SYMBOL), _NOT_KEPT)
        except InvalidQuery as exc:
            return _json(_error_body(_text(exc)), _NOT_KEPT)

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view; errors from before the reply have their shape, too."""
        inner = super().as_view(**initkwargs)

        async def view(request: HttpRequest, **path: str) -> HttpResponse:
            response = await inner(request, **path)
            is_json = response.headers.get("Content-Type") == _JSON
            if response.status_code >= 400 and is_json:
                text = msgspec.json.decode(response.content)["error"]
                response.content = msgspec.json.encode(_error_body(text))
            return response

        return as_drfs(view, cls, initkwargs)


@described("udf_config", dict[str, Any])
class UdfConfigView(UdfEndpoint):
    """What the datafeed can do."""

    async def reply(self, request: HttpRequest) -> HttpResponse:
        """Answer the configuration."""
        return _json(config_body(await _listings(request)))


@described("udf_symbols", dict[str, Any], parameters=[TICKER])
class UdfSymbolsView(UdfEndpoint):
    """A symbol that can be charted: `?symbol=EURUSD` or `?symbol=OANDA:EURUSD`."""

    async def reply(self, request: HttpRequest) -> HttpResponse:
        """Answer the library's symbol information."""
        ticker = _ticker(request)
        plan = plan_listing(ticker.symbol)
        rows = await request.services.lookups.fetch(plan.sql, plan.parameters)
        listing = listing_of(rows, ticker, request.client.plan)
        return _json(symbol_body(listing), {"X-Broker": listing.series.broker})


@described("udf_search", list[dict[str, str]], parameters=[TEXT, TYPE, EXCHANGE, LIMIT])
class UdfSearchView(UdfEndpoint):
    """Symbols that match `query`, of a `type` and an `exchange` if they are named."""

    async def reply(self, request: HttpRequest) -> HttpResponse:
        """Answer at most `limit` results."""
        fields = QueryFields(request.GET.dict())
        query = SearchQuery(
            text=request.GET.get("query", ""),
            kind=request.GET.get("type", ""),
            exchange=request.GET.get("exchange", ""),
            limit=fields.optional("limit", parse_limit, DEFAULT_RESULTS),
        )
        fields.check()
        return _json(search_body(await _listings(request), query))


@described(
    "udf_history",
    Bars,
    NoBars,
    parameters=[TICKER, RESOLUTION, FROM, TO, COUNTBACK],
)
class UdfHistoryView(UdfEndpoint):
    """Bars: `?symbol=EURUSD&resolution=60&to=1704240000&countback=300`."""

    too_many = "Too many data requests from this IP, please try again later"

    async def reply(self, request: HttpRequest) -> HttpResponse:
        """Answer the table of bars."""
        now_us = time.time_ns() // 1_000
        query = parse_bar_query(request.GET.dict(), now_us=now_us)
        return await answer_bars(request, _ticker(request), query, now_us=now_us)


@described("udf_time", int, media_type="text/plain", errors=[400, 401, 429])
class UdfTimeView(UdfEndpoint):
    """The server's clock."""

    async def reply(self, request: HttpRequest) -> HttpResponse:
        """Answer Unix seconds as text."""
        text = str(int(time.time()))
        return HttpResponse(text, headers={"Content-Type": "text/plain", **_NOT_KEPT})


@extend_schema_view(get=extend_schema(exclude=True))
class UdfMarksView(UdfEndpoint):
    """Marks on bars or on the scale of time: none.

    The configuration says so, too. Gaps and imports, which they could show, belong to
    the importer, which the history does not know.
    """

    async def reply(self, request: HttpRequest) -> HttpResponse:
        """Answer none."""
        return _json([])


def _ticker(request: HttpRequest) -> Ticker:
    fields = QueryFields(request.GET.dict())
    text = fields.required("symbol", str)
    fields.check()
    return parse_ticker(text or "")


async def _listings(request: HttpRequest) -> list[Listing]:
    plan = plan_listings()
    rows = await request.services.lookups.fetch(plan.sql)
    return listings_of(rows, request.client.plan)


def _text(exc: InvalidQuery) -> str:
    return "; ".join(f"{item['field']}: {item['message']}" for item in exc.details)


def _error_body(text: str) -> dict[str, str]:
    return {"s": "error", "errmsg": text}


def _json(body: Any, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(
        msgspec.json.encode(body), headers={"Content-Type": _JSON, **(headers or {})}
    )
