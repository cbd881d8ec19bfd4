"""Which series answers for a symbol, and what is known of it without counting rows."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

import msgspec
from django.db import connection

from history.exceptions import SymbolNotFound
from marketdata.exceptions import UnknownBroker

# Ordered so that the first row of a symbol is the series that answers where no broker
# is named (PROTOCOL section 6). A symbol is found in the instrument's own spelling
# first, then in a broker's (XBT/USD).
_SELECT_SERIES = """
    SELECT series.id,
           instrument.symbol,
           instrument.decimals,
           series.broker_id,
           series.earliest,
           series.latest,
           series.tick_count,
           series.revision
      FROM history_series AS series
      JOIN marketdata_instrument AS instrument ON instrument.id = series.instrument_id
      JOIN marketdata_broker AS broker ON broker.name = series.broker_id
     WHERE series.latest IS NOT NULL
       {condition}
     ORDER BY {exact_first}
           instrument.symbol,
           coalesce(series.broker_id = instrument.history_broker_id, FALSE) DESC,
           series.broker_id = 'dukascopy' AND series.tick_count > 0 DESC,
           broker.is_simulated,
           series.tick_count DESC,
           series.trade_count DESC,
           series.broker_id
"""
_SELECT_ALL = _SELECT_SERIES.format(condition="", exact_first="")
_SELECT_SYMBOL = _SELECT_SERIES.format(
    condition="""
       AND (instrument.symbol = %(symbol)s
            OR EXISTS (SELECT FROM marketdata_brokersymbol AS spelling
                        WHERE spelling.instrument_id = instrument.id
                          AND upper(translate(spelling.symbol, '/_.-', ''))
                              = %(symbol)s))""",
    exact_first="instrument.symbol = %(symbol)s DESC,",
)


class SeriesInfo(msgspec.Struct, frozen=True):
    """A series with data: ``earliest`` and ``latest`` are times of its records.

    ``decimals`` is the precision of its prices; ``brokers`` are all that have data of
    the symbol, by name.
    """

    series_id: int
    symbol: str
    decimals: int
    broker: str
    earliest: datetime
    latest: datetime
    tick_count: int
    revision: int
    brokers: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The version of the data: another text if anything before ``latest`` changed.

        The broker that answers is part of it; live records do not change it.
        """
        return f"{self.series_id}.{self.revision}"


def select_series(symbol: str, broker: str = "") -> SeriesInfo:
    """Return the series that answers for a canonical symbol, in one statement.

    Without a broker: the instrument's history broker, else dukascopy if it has ticks,
    else the one with the most ticks, a simulated one only if there is no other; only
    among those that have data.

    Raises:
        SymbolNotFound: nothing is stored for the symbol.
        UnknownBroker: the named broker has no data of the symbol.
    """
    rows = _select(_SELECT_SYMBOL, symbol)
    candidates = [row for row in rows if row.symbol == rows[0].symbol]
    if not candidates:
        raise SymbolNotFound(symbol)
    found = [row for row in candidates if broker in ("", row.broker)]
    if not found:
        raise UnknownBroker(broker, _names(candidates))
    return msgspec.structs.replace(found[0], brokers=tuple(_names(candidates)))


def select_all_series() -> list[SeriesInfo]:
    """Return the series that answers for each symbol with data, ordered by symbol."""
    groups = groupby(_select(_SELECT_ALL), key=lambda row: row.symbol)
    answers = []
    for _, group in groups:
        rows = list(group)
        names = tuple(_names(rows))
        answers.append(msgspec.structs.replace(rows[0], brokers=names))
    return answers


def _select(statement: str, symbol: str = "") -> list[SeriesInfo]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"symbol": symbol})
        return [SeriesInfo(*row) for row in cursor.fetchall()]


def _names(rows: Sequence[SeriesInfo]) -> list[str]:
    return sorted(row.broker for row in rows)
