"""Which instruments the archive carries, and finding one by any spelling."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from history.timestamps import to_us
from importer.exceptions import UnknownInstrument
from marketdata.catalog import InstrumentType
from marketdata.exceptions import InvalidSymbol
from marketdata.models import BrokerSymbol
from marketdata.symbols import canonical

ARCHIVE = "dukascopy"
_MAX_NAMED = 8


@dataclass(frozen=True, slots=True)
class ArchiveInstrument:
    """An instrument that can be imported.

    ``archive_symbol`` is the archive's spelling, ``price_scale`` its points per unit,
    ``first_us`` the time of its first tick there, None if that is not known.
    """

    symbol: str
    archive_symbol: str
    type: InstrumentType
    price_scale: int
    first_us: int | None = None


def select_instruments(spellings: Sequence[str]) -> list[ArchiveInstrument]:
    """Return the instruments that the texts spell, each once, in their order.

    Raises:
        UnknownInstrument: the archive does not carry one of them; names near ones.
    """
    rows = BrokerSymbol.objects.filter(broker=ARCHIVE, price_scale__gt=0)
    carried = [
        ArchiveInstrument(
            row.instrument.symbol,
            row.symbol,
            InstrumentType(row.instrument.type),
            row.price_scale,
            None if row.first_tick is None else to_us(row.first_tick),
        )
        for row in rows.select_related("instrument").order_by("instrument__symbol")
    ]
    by_name = {_canonical(item.archive_symbol): item for item in carried}
    by_name |= {item.symbol: item for item in carried}
    found = [_find(text, by_name) for text in spellings]
    return list(dict.fromkeys(found))


def _find(text: str, by_name: dict[str, ArchiveInstrument]) -> ArchiveInstrument:
    symbol = _canonical(text)
    if symbol and symbol in by_name:
        return by_name[symbol]
    names = sorted({item.symbol for item in by_name.values()})
    near = get_close_matches(symbol, names, _MAX_NAMED) or names[:_MAX_NAMED]
    raise UnknownInstrument(text, near, carried=len(names))


def _canonical(text: str) -> str:
    try:
        return canonical(text)
    except InvalidSymbol:
        return ""
