"""`manage.py repair_ticks`: fetch again what is damaged, missing or revised."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from importer.exceptions import InvalidSource
from importer.instruments import select_instruments
from importer.management.usage import (
    EXIT_HOLES,
    ImporterCommand,
    add_range,
    add_symbols,
    now_us,
    parse_hours,
    progress_on,
    symbols_of,
)
from importer.orders import ImportOrder
from importer.outcomes import Outcome
from importer.repair import RepairPick, RepairReport, repair_ticks, select_repairable
from importer.sources.registry import open_source


class Command(ImporterCommand):
    """Repairs series: an import of the hours whose rows are not what they should be."""

    help = "Fetch hours again that are damaged, suspect, failed, missing or revised."
    epilog = """\
Every row of the range is read and held against the ledger. Fetched again are hours that
do not fit, that failed, are suspect or missing; with --all every hour, for only that
shows what the provider revised. An hour that comes as it is stored stays untouched, any
other is replaced in one transaction. Exit codes: 0 done, 1 failed, 2 done with holes
(each is named), 64 wrong usage, 130 stopped by Ctrl-C.

examples:
  manage.py repair_ticks
  manage.py repair_ticks EURUSD --from 2019-02-01 --to 2019-02-28 --all
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command's arguments."""
        add_symbols(parser, "Instruments in any spelling (default: all imported).")
        add_range(parser)
        add = parser.add_argument
        add("--source", help="Where the files are (default: DUKASCOPY_SOURCE).")
        add("--all", action="store_true", help="Fetch every hour of the range.")
        add(
            "--replace-live",
            action="store_true",
            help="Let the archive's ticks take the place of live ones.",
        )
        add("--no-refresh", action="store_true", help="Leave the candles for later.")

    def run(self, options: Mapping[str, Any]) -> None:
        """Repair, print the summary, and exit as the epilog of the help says."""
        order = _order(options)
        with progress_on(self.stderr) as progress:
            report = repair_ticks(order, progress, now_us=now_us)
        self.print_result(options, report.as_dict(), _summary(order, report))
        holes = report.imported.hole_count
        if holes:
            text = f"{holes} hours are missing, suspect or failed"
            raise CommandError(text, returncode=EXIT_HOLES)


def _order(options: Mapping[str, Any]) -> ImportOrder:
    # What needs no database comes first.
    hours = parse_hours(options, now_us=now_us())
    spec = options["source"] or settings.DUKASCOPY_SOURCE
    if not spec:
        raise InvalidSource("--source or the setting DUKASCOPY_SOURCE", "neither")
    source = open_source(spec, reads_cache=False)
    spellings = symbols_of(options)
    return ImportOrder(
        instruments=(
            select_instruments(spellings) if spellings else select_repairable()
        ),
        hours=hours,
        source=source,
        has_refresh=not options["no_refresh"],
        replaces_live=options["replace_live"],
        pick=RepairPick(is_all=options["all"], replaces_live=options["replace_live"]),
    )


def _summary(order: ImportOrder, report: RepairReport) -> Iterator[str]:
    symbols = ", ".join(instrument.symbol for instrument in order.instruments)
    yield f"{symbols or 'nothing is stored'}, from {order.source.spec}"
    imported = report.imported
    counts = ", ".join(f"{imported.hours[item]:,} {item.value}" for item in Outcome)
    yield f"hours: {counts}"
    yield f"ticks: {imported.ticks:,} written; candles refreshed: {imported.candles:,}"
    if report.corrected:
        yield f"statistics corrected: {', '.join(report.corrected)}"
    yield from map(str, imported.holes)
    if imported.unlisted_hours:
        yield f"and {imported.unlisted_hours:,} hours more"
