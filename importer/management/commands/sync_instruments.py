"""`manage.py sync_instruments`: take over the provider's table of instruments."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from importer.instrument_sync import sync_instruments
from importer.management.usage import ImporterCommand


class Command(ImporterCommand):
    """Brings Dukascopy's symbols to the bundled table, and adds further ones."""

    help = "Update Dukascopy's codes, price scales and first ticks; add instruments."
    epilog = """\
The table is bundled, nothing is fetched; all is one transaction. Exit codes: 0 done,
1 failed, 64 wrong usage (the table has no such symbol), 130 stopped by Ctrl-C.

examples:
  manage.py sync_instruments
  manage.py sync_instruments --add DEU.IDX/EUR --add AAPL.US-USD
  manage.py sync_instruments --all --rescale --json
"""
    when_stopped = "nothing was changed"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command's arguments."""
        parser.add_argument(
            "--add",
            action="append",
            default=[],
            metavar="SYMBOL",
            help="Add this one: DEU.IDX/EUR, AAPL.US-USD, ... Repeat it for more.",
        )
        parser.add_argument("--all", action="store_true", help="Add all of the table.")
        parser.add_argument(
            "--rescale",
            action="store_true",
            help="Take the table's price scales also where others are set.",
        )

    def run(self, options: Mapping[str, Any]) -> None:
        """Sync, and print how many changed."""
        report = sync_instruments(
            options["add"], adds_all=options["all"], rescales=options["rescale"]
        )
        kept = [
            f"{item.symbol}: price scale {item.ours} stays, the table has "
            f"{item.theirs} (--rescale takes it)"
            for item in report.scales
        ]
        counts = f"{report.updated} updated, {report.added} added"
        self.print_result(options, asdict(report), [*kept, counts])
