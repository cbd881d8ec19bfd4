"""The instruments and brokers that a new installation starts with.

`data/instruments.csv` has one line per instrument: its figures, each broker's spelling
of it (empty: the broker does not carry it), Dukascopy's price scale and first tick.
`data/brokers.csv` says which column a broker's spellings are in: the simulated ones of
Binance and OANDA carry what those do, `*` is our own spelling of all. Both files are
from the provider's published instrument table (2026-07), decimals of coins from
Binance's recorded prices. Everything can be changed and added to in the admin.
"""

import csv
from datetime import datetime
from pathlib import Path

from django.db import transaction

from marketdata import catalog
from marketdata.models import Broker, BrokerSymbol, Instrument

_DATA = Path(__file__).parent / "data"
_OURS = "*"


@transaction.atomic
def load_instruments() -> int:
    """Add what is missing, leave what is there; return how many instruments are new.

    An instrument is there if one has its symbol, or any broker's spelling of it: it was
    renamed then, and is not added a second time. Nor are spellings that were removed.
    """
    brokers = _read("brokers.csv")
    had = set(Broker.objects.values_list("name", flat=True))
    Broker.objects.bulk_create(
        [
            Broker(row["name"], row["title"], row["is_simulated"] == "1")
            for row in brokers
        ],
        ignore_conflicts=True,
    )
    known = set(Instrument.objects.values_list("symbol", flat=True))
    spelled = set(BrokerSymbol.objects.values_list("broker", "symbol"))
    rows = [
        row
        for row in _read("instruments.csv")
        if row["base"] + row["quote"] not in known
        and not any((item["name"], _spelling(row, item)) in spelled for item in brokers)
    ]
    instruments = Instrument.objects.bulk_create([_instrument(row) for row in rows])
    BrokerSymbol.objects.bulk_create(
        BrokerSymbol(
            instrument=instrument,
            broker_id=broker["name"],
            symbol=_spelling(row, broker),
            price_scale=int(row["price_scale"])
            if broker["name"] == "dukascopy"
            else None,
            first_tick=datetime.fromisoformat(row["first_tick"])
            if broker["name"] == "dukascopy" and row["first_tick"]
            else None,
        )
        for instrument, row in zip(instruments, rows, strict=True)
        for broker in brokers
        if _spelling(row, broker)
    )
    _copy_spellings([item for item in brokers if item["name"] not in had])
    return len(instruments)


def bundled_instruments(*, is_recorded: bool = False) -> list[catalog.Instrument]:
    """Return the bundled instruments, for a server without its database."""
    brokers = _read("brokers.csv")
    return [
        catalog.Instrument(
            symbol=row["base"] + row["quote"],
            display=f"{row['base']}/{row['quote']}",
            type=catalog.InstrumentType(row["type"]),
            decimals=int(row["decimals"]),
            brokers={
                item["name"]: _spelling(row, item)
                for item in brokers
                if _spelling(row, item)
            },
            is_recorded=is_recorded,
        )
        for row in _read("instruments.csv")
    ]


def bundled_brokers() -> dict[str, bool]:
    """Return the bundled brokers' names, each with whether it is simulated."""
    return {row["name"]: row["is_simulated"] == "1" for row in _read("brokers.csv")}


def _copy_spellings(brokers: list[dict[str, str]]) -> None:
    """Have brokers that are new here carry what those do whose spellings they use."""
    for broker in brokers:
        copied = BrokerSymbol.objects.filter(broker=broker["spelled_as"])
        spellings = copied.values_list("instrument_id", "symbol")
        if broker["spelled_as"] == _OURS:
            spellings = Instrument.objects.values_list("pk", "symbol")
        BrokerSymbol.objects.bulk_create(
            [
                BrokerSymbol(instrument_id=pk, broker_id=broker["name"], symbol=symbol)
                for pk, symbol in spellings
            ],
            ignore_conflicts=True,
        )


def _spelling(row: dict[str, str], broker: dict[str, str]) -> str:
    if broker["spelled_as"] == _OURS:
        return row["base"] + row["quote"]
    return row[broker["spelled_as"]]


def _instrument(row: dict[str, str]) -> Instrument:
    return Instrument(
        symbol=row["base"] + row["quote"],
        base=row["base"],
        quote=row["quote"],
        type=row["type"],
        decimals=int(row["decimals"]),
    )


def _read(name: str) -> list[dict[str, str]]:
    with (_DATA / name).open(newline="") as lines:
        return list(csv.DictReader(lines))
