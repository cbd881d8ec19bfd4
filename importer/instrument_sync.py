"""Bringing our instruments to what the provider's table says of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from django.db import transaction

from importer.exceptions import UnknownInstrument
from importer.instrument_table import TableRow, read_table
from importer.instruments import ARCHIVE
from marketdata.exceptions import InvalidSymbol
from marketdata.models import Broker, BrokerSymbol, Instrument
from marketdata.symbols import canonical


@dataclass(frozen=True, slots=True)
class ScaleKept:
    """A price scale that somebody set, and the one of the table."""

    symbol: str
    ours: int
    theirs: int


@dataclass(frozen=True, slots=True)
class SyncReport:
    """How many broker symbols were changed, and how many are new.

    ``scales`` are price scales that were left though the table has others.
    """

    updated: int
    added: int
    scales: Sequence[ScaleKept] = ()


@transaction.atomic
def sync_instruments(
    spellings: Sequence[str] = (), *, adds_all: bool = False, rescales: bool = False
) -> SyncReport:
    """Update what the archive's symbols say, add those that are spelled, or all.

    Code and first tick of each instrument that the archive carries become the table's,
    the price scale where there is none, or with ``rescales``: the table errs there, so
    what was set by hand counts for more. What the table does not have stays as it is.

    Raises:
        UnknownInstrument: the table has none of that spelling; nothing is changed.
    """
    table = read_table()
    wanted = list(table.values()) if adds_all else _find(spellings, table)
    Broker.objects.get_or_create(name=ARCHIVE, defaults={"title": "Dukascopy archive"})
    known = BrokerSymbol.objects.filter(broker=ARCHIVE).select_related("instrument")
    symbols = {item.instrument.symbol for item in known}
    listed = list(_listed(known, table))
    updated = [item for item, row in listed if _update(item, row, rescales=rescales)]
    BrokerSymbol.objects.bulk_update(updated, ["symbol", "price_scale", "first_tick"])
    missing = [row for row in wanted if row.symbol not in symbols]
    _add(missing)
    kept = [
        ScaleKept(item.instrument.symbol, item.price_scale or 0, row.price_scale)
        for item, row in listed
        if item.price_scale != row.price_scale
    ]
    return SyncReport(len(updated), len(missing), kept)


def _find(spellings: Iterable[str], table: Mapping[str, TableRow]) -> list[TableRow]:
    found = {}
    for text in spellings:
        try:
            symbol = canonical(text)
        except InvalidSymbol:
            symbol = ""
        if symbol not in table:
            near = get_close_matches(symbol, table, 8)
            raise UnknownInstrument(text, near, carried=len(table))
        found[symbol] = table[symbol]
    return list(found.values())


def _listed(
    known: Iterable[BrokerSymbol], table: Mapping[str, TableRow]
) -> Iterator[tuple[BrokerSymbol, TableRow]]:
    for item in known:
        if row := table.get(canonical(item.symbol)):
            yield item, row


def _update(item: BrokerSymbol, row: TableRow, *, rescales: bool) -> bool:
    """Change a broker symbol to what the table says; return whether it differed."""
    before = (item.symbol, item.price_scale, item.first_tick)
    item.symbol, item.first_tick = row.code, row.first_tick
    if rescales or not item.price_scale:
        item.price_scale = row.price_scale
    return before != (item.symbol, item.price_scale, item.first_tick)


def _add(rows: Sequence[TableRow]) -> None:
    Instrument.objects.bulk_create(
        [
            Instrument(
                symbol=row.symbol,
                base=row.base,
                quote=row.quote,
                type=row.type.value,
                decimals=row.decimals,
            )
            for row in rows
        ],
        ignore_conflicts=True,  # another broker may carry it already
    )
    symbols = [row.symbol for row in rows]
    instruments = Instrument.objects.in_bulk(symbols, field_name="symbol")
    BrokerSymbol.objects.bulk_create(
        BrokerSymbol(
            instrument=instruments[row.symbol],
            broker_id=ARCHIVE,
            symbol=row.code,
            price_scale=row.price_scale,
            first_tick=row.first_tick,
        )
        for row in rows
    )
