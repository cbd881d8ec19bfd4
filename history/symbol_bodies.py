"""Instruments and who carries them, as REST shows them; times in Unix seconds."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import msgspec

from marketdata.clients import Plan

_ANY = Plan()  # allows everything
# A broker carries what it spells, and what there are data of.
SELECT_SYMBOLS = """
    SELECT instrument.symbol,
           instrument.base || CASE WHEN instrument.quote = '' THEN '' ELSE '/' END
               || instrument.quote,
           instrument.type,
           instrument.decimals,
           carrier.broker_id,
           coalesce(spelling.symbol, instrument.symbol),
           series.candles_from,
           series.latest
      FROM marketdata_instrument AS instrument
      LEFT JOIN (SELECT instrument_id, broker_id FROM marketdata_brokersymbol
                  UNION
                 SELECT instrument_id, broker_id FROM history_series
                  WHERE latest IS NOT NULL) AS carrier
        ON carrier.instrument_id = instrument.id
      LEFT JOIN marketdata_brokersymbol AS spelling
        ON spelling.instrument_id = instrument.id
       AND spelling.broker_id = carrier.broker_id
      LEFT JOIN history_series AS series
        ON series.instrument_id = instrument.id
       AND series.broker_id = carrier.broker_id
     ORDER BY instrument.symbol, carrier.broker_id
"""


class CarrierBody(msgspec.Struct):
    """A broker of an instrument, its spelling, and the stored range; null if none."""

    broker: str
    symbol: str
    earliest: int | None
    latest: int | None


class SymbolBody(msgspec.Struct):
    """An instrument."""

    symbol: str
    display: str
    type: str
    decimals: int
    brokers: list[CarrierBody]


def symbol_bodies(rows: Sequence[Sequence[Any]], plan: Plan = _ANY) -> list[SymbolBody]:
    """Return the instruments, of the rows of ``SELECT_SYMBOLS``.

    What the client's plan does not allow is left out.
    """
    bodies = []
    for instrument, group in groupby(rows, key=lambda row: row[:4]):
        carriers = [
            CarrierBody(broker, spelling, _seconds(earliest), _seconds(latest))
            for *_, broker, spelling, earliest, latest in group
            if broker and plan.allows(broker, instrument[0])
        ]
        symbol, display, kind, decimals = instrument
        if plan.symbols is not None and symbol not in plan.symbols:
            continue
        bodies.append(SymbolBody(symbol, display, kind, decimals, carriers))
    return bodies


def _seconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp() // 1)
