"""Which series answers for a symbol, and what is known of it without counting rows."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec

from history.changed_ranges import MAX_NOTE_US
from history.exceptions import SymbolNotFound
from history.series_info import SeriesInfo
from history.statement import Statement
from history.timestamps import to_datetime
from marketdata.clients import Plan as ClientPlan
from marketdata.durations import DAY_US
from marketdata.exceptions import Forbidden, UnknownBroker
from marketdata.symbols import other_names

# Ordered so that the first row of a symbol is the series that answers where no broker
# is named (PROTOCOL section 6). A symbol is found in the instrument's own spelling
# first, then in a broker's (XBT/USD), then with the usual names of its assets.
_SELECT_SERIES = """
    SELECT series.id,
           instrument.symbol,
           instrument.decimals,
           series.broker_id,
           series.earliest,
           series.candles_from,
           series.latest,
           series.tick_count,
           series.revision,
           series.trade_count,
           {has_ticks},
           {pending}
      FROM history_series AS series
      JOIN marketdata_instrument AS instrument ON instrument.id = series.instrument_id
      JOIN marketdata_broker AS broker ON broker.name = series.broker_id
     WHERE series.latest IS NOT NULL
       {condition}
     ORDER BY {exact_first}
           instrument.symbol,
           coalesce(series.broker_id = instrument.history_broker_id, FALSE) DESC,
           series.broker_id = 'dukascopy' AND {has_ticks} DESC,
           broker.is_simulated,
           series.tick_count DESC,
           series.trade_count DESC,
           series.broker_id
"""
# Or had them: their candles are there.
_HAS_TICKS = "(series.tick_count > 0 OR NOT isempty(series.dropped_ticks))"
_SELECT_ALL = _SELECT_SERIES.format(
    has_ticks=_HAS_TICKS, pending="''", condition="", exact_first=""
)
_SELECT_SYMBOL = _SELECT_SERIES.format(
    has_ticks=_HAS_TICKS,
    # Ids are never used again, so another set of notes has another number and sum.
    pending=f"""(SELECT coalesce(count(*) || 'n' || sum(note.id), '')
                   FROM changed_ranges AS note
                  WHERE note.series_id = series.id
                    AND note.start >
                        %(lo)s - INTERVAL '{MAX_NOTE_US // DAY_US} days'
                    AND note.start < %(hi)s
                    AND note."end" > %(lo)s)""",
    condition="""
       AND (instrument.symbol = %(symbol)s
            OR instrument.symbol = ANY(%(others)s)
            OR EXISTS (SELECT FROM marketdata_brokersymbol AS spelling
                        WHERE spelling.instrument_id = instrument.id
                          AND upper(translate(spelling.symbol, '/_.-', ''))
                              = %(symbol)s))""",
    exact_first="""instrument.symbol = %(symbol)s DESC,
           instrument.symbol = ANY(%(others)s),""",
)
Span = tuple[int, int]  # start and end in us, the end exclusive
_ANY = ClientPlan()  # allows everything
_ALWAYS: Span = (0, 100_000_000_000_000_000)  # until the year 5138


def plan_series(symbol: str, span: Span | None = None) -> Statement:
    """Return the statement whose rows ``series_of`` takes; nothing is run.

    ``span`` is where ``pending`` changes count, None for everywhere.
    """
    lo_us, hi_us = span or _ALWAYS
    parameters = {
        "symbol": symbol,
        "others": list(other_names(symbol)),
        "lo": to_datetime(lo_us),
        "hi": to_datetime(hi_us),
    }
    return Statement(_SELECT_SYMBOL, parameters)


def series_of(
    rows: Sequence[Sequence[Any]],
    symbol: str,
    broker: str = "",
    *,
    plan: ClientPlan = _ANY,
) -> SeriesInfo:
    """Return the series that answers for a symbol, of the rows of ``plan_series``.

    Without a broker: the instrument's history broker, else dukascopy if it has ticks,
    else the one with the most ticks, a simulated one only if there is no other; only
    among those that have data. Ticks that retention dropped are data still, by their
    candles, but are not counted. Series that the client's plan does not allow do not
    answer.

    Raises:
        SymbolNotFound: nothing is stored for the symbol.
        UnknownBroker: the named broker has no data of the symbol.
        Forbidden: the client's plan allows none of what there is.
    """
    found = [SeriesInfo(*row) for row in rows]
    candidates = [series for series in found if series.symbol == found[0].symbol]
    if not candidates:
        raise SymbolNotFound(symbol)
    answers = [series for series in candidates if broker in ("", series.broker)]
    if not answers:
        raise UnknownBroker(broker, _names(candidates))
    allowed = [item for item in answers if plan.allows(item.broker, item.symbol)]
    if not allowed:
        raise Forbidden(f"plan {plan.name!r} does not allow {answers[0].symbol}")
    return msgspec.structs.replace(allowed[0], brokers=tuple(_names(candidates)))


def plan_all_series() -> Statement:
    """Return the statement whose rows ``all_series_of`` takes; nothing is run."""
    return Statement(_SELECT_ALL, {})


def all_series_of(
    rows: Sequence[Sequence[Any]], plan: ClientPlan = _ANY
) -> list[SeriesInfo]:
    """Return the series that answers for each symbol, of ``plan_all_series``'s rows.

    What the client's plan does not allow is left out.
    """
    series = [SeriesInfo(*row) for row in rows]
    found = [item for item in series if plan.allows(item.broker, item.symbol)]
    answers = []
    for _, group in groupby(found, key=lambda series: series.symbol):
        candidates = list(group)
        names = tuple(_names(candidates))
        answers.append(msgspec.structs.replace(candidates[0], brokers=names))
    return answers


def _names(rows: Sequence[SeriesInfo]) -> list[str]:
    return sorted(row.broker for row in rows)
