"""The provider's published table of instruments, as `data/dukascopy_instruments.csv`.

A line per instrument: its code, what it is (ours: told from the code's ending), points
per unit of price, and its first tick, empty where the provider says 2000-01-01, which
stands for "unknown" there. `data/ORIGIN.md` tells where it is from.
"""

import csv
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from importer.archive_symbols import file_symbol
from marketdata.catalog import InstrumentType

_TABLE = Path(__file__).parent / "data" / "dukascopy_instruments.csv"


@dataclass(frozen=True, slots=True)
class TableRow:
    """An instrument as the provider publishes it; ``code`` is `EUR-USD`."""

    code: str
    type: InstrumentType
    price_scale: int
    first_tick: datetime | None

    @property
    def symbol(self) -> str:
        """The canonical symbol: `EURUSD`, `DEUIDXEUR`."""
        return file_symbol(self.code)

    @property
    def base(self) -> str:
        """What is bought: `EUR`, `DEU.IDX`."""
        return self.code.rpartition("-")[0]

    @property
    def quote(self) -> str:
        """What it is paid in: `USD`."""
        return self.code.rpartition("-")[2]

    @property
    def decimals(self) -> int:
        """Decimals of its prices; scales are powers of ten."""
        return len(str(self.price_scale)) - 1


def read_table() -> dict[str, TableRow]:
    """Return the table's rows by canonical symbol."""
    with _TABLE.open(newline="") as lines:
        rows = [
            TableRow(
                code=line["code"],
                type=InstrumentType(line["type"]),
                price_scale=int(line["price_scale"]),
                first_tick=datetime.fromisoformat(line["first_tick"])
                if line["first_tick"]
                else None,
            )
            for line in csv.DictReader(lines)
        ]
    return {row.symbol: row for row in rows}
