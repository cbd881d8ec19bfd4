"""Which series can be charted: the rule of `series_query`, and their instruments."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec

from history.series_info import SeriesInfo
from history.series_query import Span, plan_all_series, plan_series, series_of
from history.statement import Statement
from history.udf_symbols import Listing, Ticker
from marketdata.catalog import InstrumentType
from marketdata.clients import Plan

# The order of the rows is that rule, so it is kept across the join.
_SELECT_LISTINGS = """
    SELECT s.*,
           instrument.base,
           instrument.quote,
           instrument.type
      FROM (SELECT p.*, row_number() OVER () AS place FROM ({series}) AS p) AS s
      JOIN marketdata_instrument AS instrument ON instrument.symbol = s.symbol
     ORDER BY s.place
"""
_ANY = Plan()  # allows everything
_ADDED = 4  # columns after those of a series

Row = Sequence[Any]


def plan_listing(symbol: str, span: Span | None = None) -> Statement:
    """Return the statement whose rows ``listing_of`` takes; nothing is run.

    Args:
        span: where changes that wait for a refresh count, None for everywhere.
    """
    return _with_instruments(plan_series(symbol, span))


def listing_of(rows: Sequence[Row], ticker: Ticker, plan: Plan = _ANY) -> Listing:
    """Return the series that a ticker names.

    Args:
        plan: of the client; series that it does not allow do not answer.

    Raises:
        SymbolNotFound, UnknownBroker, Forbidden: as `series_query.series_of`.
    """
    found = [row[:-_ADDED] for row in rows]
    series = series_of(found, ticker.symbol, ticker.broker, plan=plan)
    row = next(row for row in rows if row[0] == series.series_id)
    return _listing(series, row, is_named=bool(ticker.broker))


def plan_listings() -> Statement:
    """Return the statement whose rows ``listings_of`` takes; nothing is run."""
    return _with_instruments(plan_all_series())


def listings_of(rows: Sequence[Row], plan: Plan = _ANY) -> list[Listing]:
    """Return all series that can be charted, of each symbol the default one first.

    What the client's plan does not allow is left out.
    """
    listings = []
    allowed = [row for row in rows if plan.allows(row[3], row[1])]
    for _, group in groupby(allowed, key=lambda row: row[1]):
        for place, row in enumerate(group):
            series = SeriesInfo(*row[:-_ADDED])
            listings.append(_listing(series, row, is_named=place > 0))
    return listings


def _with_instruments(series: Statement) -> Statement:
    sql = _SELECT_LISTINGS.format(series=series.sql)
    return msgspec.structs.replace(series, sql=sql)


def _listing(series: SeriesInfo, row: Row, *, is_named: bool) -> Listing:
    base, quote, instrument_type = row[-3:]
    return Listing(series, base, quote, InstrumentType(instrument_type), is_named)
