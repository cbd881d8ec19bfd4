"""`manage.py sync_instruments`: take over the provider's table of instruments."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from importer.instrument_sync import sync_instruments
from importer.management.usage import ImporterCommand


class Command(ImporterCommand):
    """Brings Dukascopy's symbols to the bundled table, and adds further ones."""

    help = "Update Dukascopy's codes, price scales and first ticks; add instruments."

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
        for kept in report.scales:
            self.stdout.write(
                f"{kept.symbol}: price scale {kept.ours} stays, the table has "
                f"{kept.theirs} (--rescale takes it)"
            )
        self.stdout.write(f"{report.updated} updated, {report.added} added")
