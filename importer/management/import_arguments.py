"""The arguments of `import_ticks`, and the order that they make."""

from collections.abc import Mapping
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import CommandParser

from importer.exceptions import InvalidRange, InvalidSource
from importer.hours import hour_argument, last_days
from importer.instruments import select_instruments
from importer.job_options import JOB_WORKERS, options_of
from importer.management.usage import add_range, parse_hours
from importer.orders import CHUNK_DAYS, WORKERS, ImportOrder
from importer.sources.registry import open_source
from marketdata.durations import HOUR_US

MAX_WORKERS = 16

# Server A's defaults (COMPAT A-IM-01, A-IM-03).
_DEFAULT_SYMBOL = "EURUSD"
_DEFAULT_DAYS = 7

EPILOG = """\
Days are UTC and both are included; 2019-02-04T13 is an hour. Stored hours are skipped,
so a run that was stopped is simply run again. Exit codes: 0 done, 1 failed, 2 done with
holes (each is named), 64 wrong usage, 130 stopped by Ctrl-C.

examples:
  manage.py import_ticks -s EURUSD --from 2019-02-04 --to 2019-02-08
  manage.py import_ticks -s EUR/USD -s BTCUSD -d 30 --dry-run
  manage.py import_ticks -s EURUSD --fill-gaps
  manage.py import_ticks -s EURUSD --from 2003-05-04 --to 2019-12-31 -c 30 --background
  manage.py import_ticks -s EURUSD --from 2019-02-04 --to 2019-02-04 --force \\
      --source bi5-dir:/data/dukascopy

sources:
  dukascopy             the JSON API
  bi5-http[:<address>]  .bi5 files on a server, in the archive's layout
  bi5-dir:<folder>      EURUSD/2019/01/04/00h_ticks.bi5 (the archive's layout, in which
                        months count from 00), or EURUSD_2019-02-04_00h_ticks.bi5
  csv:<file or folder>  time, bid, ask and sizes, found by their names
"""


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add(
        *("-s", "--symbol"),
        action="append",
        metavar="SYMBOL",
        help="Instrument in any spelling; repeat it for more (default: EURUSD).",
    )
    add_range(parser, days_help=f" (default: {_DEFAULT_DAYS})")
    add(
        "--fill-gaps",
        action="store_true",
        help="Only hours that are not had, also those asked for in vain; without a "
        "range from the first stored day to the last.",
    )
    add("--source", help="Where the files are (default: DUKASCOPY_SOURCE).")
    add("--dry-run", action="store_true", help="Only say what would be fetched.")
    _add_ways(parser)


def _add_ways(parser: CommandParser) -> None:
    add = parser.add_argument
    add(
        *("-c", "--chunk"),
        type=int,
        default=CHUNK_DAYS,
        metavar="DAYS",
        help="Days to a line of progress and to a refresh (default: 7).",
    )
    add(
        "--workers",
        type=int,
        metavar="N",
        help=f"Connections that write (default: {WORKERS}, with --background "
        f"{JOB_WORKERS}).",
    )
    add("--force", action="store_true", help="Read stored hours again, too.")
    add(
        "--replace-live",
        action="store_true",
        help="Let the files take the place of ticks that were received live.",
    )
    add(
        "--manage-indexes",
        action="store_true",
        help="Drop the indexes of TICK_INDEXES first, and make them again at the end.",
    )
    add("--no-refresh", action="store_true", help="Leave the candles for later.")
    add("--background", action="store_true", help="Queue it for a Celery worker.")


def order_of(options: Mapping[str, Any], *, now_us: int) -> ImportOrder:
    """Return what the options order.

    Raises:
        ImporterError: they are wrong, or name what is not there.
    """
    # What needs no database comes first.
    hours = parse_hours(options, now_us=now_us)
    if hours is None and not options["fill_gaps"]:
        hours = last_days(_DEFAULT_DAYS, now_us=now_us)
    _check_count("--chunk", options["chunk"], 3_660)
    workers = options["workers"]
    if workers is None:
        workers = JOB_WORKERS if options["background"] else WORKERS
    _check_count("--workers", workers, MAX_WORKERS)
    spec = options["source"] or settings.DUKASCOPY_SOURCE
    if not spec:
        raise InvalidSource("--source or the setting DUKASCOPY_SOURCE", "neither")
    source = open_source(spec, reads_cache=not options["force"])
    return ImportOrder(
        instruments=select_instruments(options["symbol"] or [_DEFAULT_SYMBOL]),
        hours=hours,
        source=source,
        is_forced=options["force"],
        has_refresh=not options["no_refresh"],
        fills_gaps=options["fill_gaps"],
        chunk_days=options["chunk"],
        workers=workers,
        replaces_live=options["replace_live"],
        manages_indexes=options["manage_indexes"],
    )


def described(order: ImportOrder) -> dict[str, Any]:
    """Return what is imported, as the start of a JSON summary."""
    hours = order.hours
    return {
        "symbols": [instrument.symbol for instrument in order.instruments],
        "first": hour_argument(hours.start_us) if hours else "",
        "last": hour_argument(hours.end_us - HOUR_US) if hours else "",
        "source": order.source.spec,
        **msgspec.to_builtins(options_of(order)),
    }


def _check_count(name: str, count: int, limit: int) -> None:
    if not 1 <= count <= limit:
        raise InvalidRange(f"{name} from 1 to {limit}", str(count))
