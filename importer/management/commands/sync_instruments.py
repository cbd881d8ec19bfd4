"""`manage.py sync_instruments`: take over the provider's table of instruments."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from importer.exceptions import ImporterError
from importer.instrument_sync import sync_instruments


class Command(BaseCommand):
    """Brings Dukascopy's symbols to the bundled table, and adds further ones."""

    help = "Update Dukascopy's codes, price scales and first ticks; add instruments."
    requires_system_checks: list[str] = []

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

    def handle(self, *args: Any, **options: Any) -> None:
        """Sync, and print how many changed."""
        try:
            report = sync_instruments(
                options["add"], adds_all=options["all"], rescales=options["rescale"]
            )
        except ImporterError as exc:
            raise CommandError(str(exc)) from exc
        for kept in report.scales:
            self.stdout.write(
                f"{kept.symbol}: price scale {kept.ours} stays, the table has "
                f"{kept.theirs} (--rescale takes it)"
            )
        self.stdout.write(f"{report.updated} updated, {report.added} added")
