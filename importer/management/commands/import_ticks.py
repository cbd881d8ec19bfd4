"""`manage.py import_ticks`: fill the history of instruments from Dukascopy's files."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from importer.dry_run import plan_import
from importer.import_ticks import ImportOrder, import_ticks
from importer.jobs import queue_order
from importer.management.import_arguments import (
    EPILOG,
    add_arguments,
    described,
    order_of,
)
from importer.management.usage import EXIT_HOLES, ImporterCommand, now_us, progress_on
from importer.summary import head_line, plan_dict, plan_lines, report_lines


class Command(ImporterCommand):
    """Imports a range of days of one or more instruments."""

    help = "Import Dukascopy's ticks into the database and refresh their candles."
    epilog = EPILOG

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command's arguments."""
        add_arguments(parser)

    def run(self, options: Mapping[str, Any]) -> None:
        """Import, print the summary, and exit as the epilog of the help says."""
        order = order_of(options, now_us=now_us())
        if options["dry_run"]:
            self._describe(order, options)
        elif options["background"]:
            self._queue(order, options)
        else:
            self._import(order, options)

    def _import(self, order: ImportOrder, options: Mapping[str, Any]) -> None:
        with progress_on(self.stderr) as progress:
            report = import_ticks(order, progress, now_us=now_us)
        symbols = [instrument.symbol for instrument in order.instruments]
        head = head_line(symbols, order.hours, order.source.spec)
        result = described(order) | report.as_dict()
        self.print_result(options, result, [head, *report_lines(report)])
        if report.hole_count:
            hours = report.hours.total()
            text = f"{report.hole_count} of {hours} hours are missing or failed"
            raise CommandError(text, returncode=EXIT_HOLES)

    def _describe(self, order: ImportOrder, options: Mapping[str, Any]) -> None:
        plans = plan_import(order)
        seconds = None
        if not order.source.is_local:
            requests = sum(plan.fetched for plan in plans)
            seconds = requests / settings.DUKASCOPY_REQUESTS_PER_S
        result = {"dry_run": [plan_dict(plan) for plan in plans], "seconds": seconds}
        self.print_result(options, result, plan_lines(plans, seconds=seconds))

    def _queue(self, order: ImportOrder, options: Mapping[str, Any]) -> None:
        ids = [job.pk for job in queue_order(order, requested_by="command")]
        line = f"queued as job {', '.join(map(str, ids))}"
        self.print_result(options, described(order) | {"jobs": ids}, [line])
