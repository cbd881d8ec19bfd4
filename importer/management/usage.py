"""What the importer's commands share: exit codes, symbols, ranges, progress."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError, CommandParser, OutputWrapper

from importer.exceptions import ImporterError, InvalidRange
from importer.hours import HourRange, last_days, parse_range
from importer.orders import Progress
from importer.progress import BarProgress, LineProgress
from marketdata.commands import EXIT_USAGE, UsageCommand
from marketdata.exceptions import UnknownBroker

EXIT_HOLES = 2


class ImporterCommand(UsageCommand):
    """A command that exits with 64 where the importer refuses what was asked for.

    A subclass does its work in ``run``.
    """

    has_result = True
    when_stopped = "what is stored stays, run it again to go on"

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, and exit as PROTOCOL 7 says."""
        try:
            self.run(options)
        except (ImporterError, UnknownBroker) as exc:
            raise CommandError(str(exc), returncode=EXIT_USAGE) from exc

    def run(self, options: Mapping[str, Any]) -> None:
        """Do the work.

        Raises:
            ImporterError, UnknownBroker: wrong usage.
        """
        raise NotImplementedError


def add_symbols(parser: CommandParser, help_text: str) -> None:
    """Declare symbols, by themselves or with -s."""
    parser.add_argument("symbols", nargs="*", metavar="SYMBOL", help=help_text)
    parser.add_argument(
        "-s",
        "--symbol",
        action="append",
        default=[],
        metavar="SYMBOL",
        help="The same.",
    )


def symbols_of(options: Mapping[str, Any]) -> Sequence[str]:
    """Return the symbols that were given either way."""
    return [*options["symbols"], *options["symbol"]]


def add_range(parser: CommandParser, *, days_help: str = "") -> None:
    """Declare --from, --to and --days; ``days_help`` adds to the help of the last."""
    add = parser.add_argument
    add("--from", metavar="DAY", help="First UTC day, as 2019-02-04; with --to.")
    add("--to", metavar="DAY", help="Last UTC day, included; with --from.")
    add(
        *("-d", "--days"),
        type=int,
        metavar="N",
        help=f"The last N times 24 hours up to now{days_help}.",
    )


def parse_hours(options: Mapping[str, Any], *, now_us: int) -> HourRange | None:
    """Return the range that was given, None if none was.

    Raises:
        InvalidRange: half a range, two of them, or none in the past.
    """
    first, last, days = options["from"], options["to"], options["days"]
    if (first is None) != (last is None):
        found = "only --from" if last is None else "only --to"
        raise InvalidRange("--from and --to together", found)
    if first is None:
        return None if days is None else last_days(days, now_us=now_us)
    if days is not None:
        raise InvalidRange("--from and --to, or --days", "both")
    return parse_range(first, last, now_us=now_us)


@contextmanager
def progress_on(stream: OutputWrapper) -> Iterator[Progress]:
    """Yield a progress that writes there: a bar on a terminal, else lines.

    Give it standard error: standard output is for the summary.
    """
    if stream.isatty():
        with BarProgress() as bars:
            yield bars
    else:
        yield LineProgress(lambda line: stream.write(line, str))


def now_us() -> int:
    """Return the time."""
    return time.time_ns() // 1_000
