"""`manage.py check_ticks`: what is had of the history, and what is wrong with it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from history.index_faults import find_index_faults
from history.models import Series
from history.tick_indexes import select_indexes
from importer.check_report import faults, heading, lines, tables
from importer.checking import CheckOptions, check_series
from importer.exceptions import NothingStored
from importer.findings import SeriesCheck
from importer.hours import HourRange
from importer.instruments import ARCHIVE
from importer.management.usage import (
    EXIT_HOLES,
    ImporterCommand,
    add_range,
    add_symbols,
    now_us,
    parse_hours,
    symbols_of,
)
from marketdata.command_progress import steps_on
from marketdata.exceptions import InvalidSymbol, UnknownBroker
from marketdata.models import Broker
from marketdata.symbols import canonical


class Command(ImporterCommand):
    """Checks series against the ledger; changes nothing."""

    help = "Show what is stored per month and day, gaps, and what does not fit."
    epilog = """\
Without a range it is all that was ever imported. Looked for are hours that are missing,
failed or suspect; rows that are not those of the ledger; statistics that are not those
of the rows; candles that are not those of the ticks; indexes. `repair_ticks` mends it.
Exit codes: 0 all is well, 1 failed, 2 something was found, 64 wrong usage, 130 stopped
by Ctrl-C.

examples:
  manage.py check_ticks
  manage.py check_ticks EURUSD --from 2019-02-01 --to 2019-02-28
  manage.py check_ticks EURUSD --checksums --json
"""
    when_stopped = "nothing was changed"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command's arguments."""
        add_symbols(parser, "Instruments in any spelling (default: all imported).")
        add_range(parser)
        add = parser.add_argument
        add("--broker", default=ARCHIVE, help=f"Whose series (default: {ARCHIVE}).")
        add("--checksums", action="store_true", help="Read all rows of the range, too.")
        add(
            "--quick",
            action="store_true",
            help="Do not count all rows of the series for its statistics.",
        )

    def run(self, options: Mapping[str, Any]) -> None:
        """Check, print, and exit as the epilog of the help says."""
        hours = parse_hours(options, now_us=now_us())
        thoroughness = CheckOptions(
            counts_all=not options["quick"], has_checksums=options["checksums"]
        )
        checks = self._check(options, hours, thoroughness)
        indexes = [*find_index_faults(), *_absent_indexes()]
        if options["json"]:
            found = {"series": [item.as_dict() for item in checks], "indexes": indexes}
            self.stdout.write(json.dumps(found))
        else:
            self._print(checks, indexes)
        count = sum(item.counts.total() for item in checks) + len(indexes)
        if count:
            raise CommandError(f"{count:,} findings", returncode=EXIT_HOLES)

    def _check(
        self,
        options: Mapping[str, Any],
        hours: HourRange | None,
        thoroughness: CheckOptions,
    ) -> list[SeriesCheck]:
        chosen = _select(symbols_of(options), options["broker"])
        checks: list[SeriesCheck] = []
        with steps_on(self.stderr, "series") as show:
            for series in chosen:
                show(series.instrument.symbol, len(checks), len(chosen))
                checks.append(
                    check_series(series, hours, thoroughness, now_us=now_us())
                )
        return checks

    def _print(self, checks: Sequence[SeriesCheck], indexes: Sequence[str]) -> None:
        console = Console() if self.stdout.isatty() else None
        for check in checks:
            self.stdout.write(heading(check))
            if console:
                for table in tables(check):
                    console.print(table)
            else:
                self._write(lines(check))
            self._write(faults(check))
        self._write(f"index: {text}" for text in indexes)
        if not checks:
            self.stdout.write("nothing is stored")

    def _write(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.stdout.write(text)


def _absent_indexes() -> Iterator[str]:
    for index in select_indexes():
        if index.is_configured and not index.exists:
            yield f"ticks lacks {index.name}, which TICK_INDEXES asks for"


def _select(spellings: Sequence[str], broker: str) -> list[Series]:
    """Return the series of the broker, those of the symbols if there are any."""
    name = broker.lower()
    brokers = {ARCHIVE, *Broker.objects.values_list("name", flat=True)}
    if name not in brokers:
        raise UnknownBroker(broker, sorted(brokers))
    series = Series.objects.filter(broker=name).select_related("instrument")
    by_symbol = {item.instrument.symbol: item for item in series}
    if not spellings:
        return [by_symbol[symbol] for symbol in sorted(by_symbol)]
    return [_find(text, by_symbol) for text in spellings]


def _find(text: str, by_symbol: Mapping[str, Series]) -> Series:
    try:
        return by_symbol[canonical(text)]
    except (KeyError, InvalidSymbol):
        raise NothingStored(text, sorted(by_symbol)) from None
