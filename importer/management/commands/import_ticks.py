"""`manage.py import_ticks`: fill the history of instruments from Dukascopy's files."""

import json
import time
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    DjangoHelpFormatter,
)
from django.db import Error as DatabaseError
from kombu.exceptions import OperationalError as QueueError

from importer import tasks
from importer.exceptions import ImporterError, InvalidRange, InvalidSource
from importer.hours import (
    HOUR_US,
    HourRange,
    hour_argument,
    hour_text,
    last_days,
    parse_range,
)
from importer.import_ticks import ImportOrder, Progress, import_ticks
from importer.instruments import select_instruments
from importer.outcomes import ImportReport, Outcome
from importer.progress import BarProgress, LineProgress
from importer.sources.registry import open_source

EXIT_HOLES = 2
EXIT_USAGE = 64  # EX_USAGE of sysexits.h; argparse's own 2 means holes here

# Server A's defaults (COMPAT A-IM-01, A-IM-03).
_DEFAULT_SYMBOL = "EURUSD"
_DEFAULT_DAYS = 7

_EPILOG = """\
Days are UTC and both are included. Stored hours are skipped, so a run that was stopped
is simply run again. Exit codes: 0 done, 1 failed, 2 done with holes (each is named),
64 wrong usage.

examples:
  manage.py import_ticks --symbol EURUSD --from 2019-02-04 --to 2019-02-04 \\
      --source bi5-dir:/data/dukascopy
  manage.py import_ticks -s EUR/USD -s BTCUSD --days 30
  manage.py import_ticks -s EURUSD --from 2019-02-01 --to 2019-02-28 --background

sources:
  bi5-dir:<folder>   EURUSD/2019/01/04/00h_ticks.bi5 (the archive's layout, in which
                     months count from 00), or EURUSD_2019-02-04_00h_ticks.bi5
"""


class _HelpFormatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Django's order of arguments, and the examples as they are written."""


class Command(BaseCommand):
    """Imports a range of days of one or more instruments."""

    help = "Import Dukascopy's ticks into the database and refresh their candles."
    requires_system_checks: list[str] = []  # they load the web side: 0.3 s, no use here

    def create_parser(
        self, prog_name: str, subcommand: str, **kwargs: Any
    ) -> CommandParser:
        """Return the parser, with our exit code for wrong usage."""
        parser = super().create_parser(
            prog_name,
            subcommand,
            epilog=_EPILOG,
            formatter_class=_HelpFormatter,
            **kwargs,
        )

        def error(message: str) -> NoReturn:
            if self._called_from_command_line:
                usage = f"{parser.format_usage()}{parser.prog}: error: {message}\n"
                parser.exit(EXIT_USAGE, usage)
            raise CommandError(f"Error: {message}", returncode=EXIT_USAGE)

        parser.error = error
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command's arguments."""
        add = parser.add_argument
        add(
            *("-s", "--symbol"),
            action="append",
            metavar="SYMBOL",
            help="Instrument in any spelling; repeat it for more (default: EURUSD).",
        )
        add("--from", metavar="DAY", help="First UTC day, as 2019-02-04; with --to.")
        add("--to", metavar="DAY", help="Last UTC day, included; with --from.")
        add(
            *("-d", "--days"),
            type=int,
            metavar="N",
            help="The last N times 24 hours up to now (default: 7).",
        )
        add("--source", help="Where the files are (default: DUKASCOPY_SOURCE).")
        add("--force", action="store_true", help="Read stored hours again, too.")
        add("--no-refresh", action="store_true", help="Leave the candles for later.")
        add("--json", action="store_true", help="End with the summary as JSON.")
        add("--background", action="store_true", help="Queue it for a Celery worker.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, print the summary, and exit as the epilog of the help says."""
        try:
            order = _order(options)
            if options["background"]:
                self._queue(order, as_json=options["json"])
            else:
                self._import(order, as_json=options["json"])
        except ImporterError as exc:
            raise CommandError(str(exc), returncode=EXIT_USAGE) from exc
        except (DatabaseError, ImproperlyConfigured) as exc:
            raise CommandError(f"the database failed: {exc}") from exc
        except KeyboardInterrupt as exc:
            text = "stopped; what is stored stays, run it again to go on"
            raise CommandError(text) from exc

    def _import(self, order: ImportOrder, *, as_json: bool) -> None:
        with self._progress() as progress:
            report = import_ticks(order, progress, now_us=_now_us)
        if as_json:
            self.stdout.write(json.dumps(_described(order) | report.as_dict()))
        else:
            self.stdout.write("\n".join(_summary(order, report)))
        if report.hole_count:
            text = f"{report.hole_count} of {len(order)} hours are missing or failed"
            raise CommandError(text, returncode=EXIT_HOLES)

    def _queue(self, order: ImportOrder, *, as_json: bool) -> None:
        description = _described(order)
        try:
            task = tasks.import_ticks.delay(
                **description, force=order.is_forced, refresh=order.has_refresh
            )
        except QueueError as exc:
            raise CommandError(f"the task queue failed: {exc}") from exc
        if as_json:
            self.stdout.write(json.dumps(description | {"task": task.id}))
        else:
            self.stdout.write(f"queued as task {task.id}")

    @contextmanager
    def _progress(self) -> Iterator[Progress]:
        # On standard error: standard output is for the summary.
        if self.stderr.isatty():
            with BarProgress() as bars:
                yield bars
        else:
            yield LineProgress(lambda line: self.stderr.write(line, str))


def _order(options: dict[str, Any]) -> ImportOrder:
    # What needs no database comes first.
    hours = _hours(options)
    spec = options["source"] or settings.DUKASCOPY_SOURCE
    if not spec:
        raise InvalidSource("--source or the setting DUKASCOPY_SOURCE", "neither")
    source = open_source(spec)
    return ImportOrder(
        instruments=select_instruments(options["symbol"] or [_DEFAULT_SYMBOL]),
        hours=hours,
        source=source,
        is_forced=options["force"],
        has_refresh=not options["no_refresh"],
    )


def _hours(options: dict[str, Any]) -> HourRange:
    first, last, days = options["from"], options["to"], options["days"]
    if (first is None) != (last is None):
        found = "only --from" if last is None else "only --to"
        raise InvalidRange("--from and --to together", found)
    if first is None:
        return last_days(_DEFAULT_DAYS if days is None else days, now_us=_now_us())
    if days is not None:
        raise InvalidRange("--from and --to, or --days", "both")
    return parse_range(first, last, now_us=_now_us())


def _described(order: ImportOrder) -> dict[str, Any]:
    """Return what is imported, under the names of the task's arguments."""
    return {
        "symbols": [instrument.symbol for instrument in order.instruments],
        "first": hour_argument(order.hours.start_us),
        "last": hour_argument(order.hours.end_us - HOUR_US),
        "source": order.source.spec,
    }


def _summary(order: ImportOrder, report: ImportReport) -> Iterator[str]:
    symbols = ", ".join(instrument.symbol for instrument in order.instruments)
    hours = order.hours
    first, last = hour_text(hours.start_us), hour_text(hours.end_us - HOUR_US)
    yield f"{symbols}, {first} to {last}, from {order.source.spec}"
    counts = ", ".join(f"{report.hours[item]:,} {item.value}" for item in Outcome)
    yield f"hours: {counts}"
    yield (
        f"ticks: {report.ticks:,} in {report.elapsed_s:.2f} s "
        f"({report.ticks_per_s:,.0f} ticks/s)"
    )
    yield f"candles refreshed: {report.candles:,}"
    yield from map(str, report.holes)
    if report.hole_count > len(report.holes):
        yield f"and {report.hole_count - len(report.holes):,} holes more"


def _now_us() -> int:
    return time.time_ns() // 1_000
