"""`manage.py refresh_candles`: brings candles up to date, or builds them anew."""

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any, NoReturn

import msgspec
from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet

from history.candle_rebuild import EVERYTHING, note_for_rebuild
from history.candle_refresh import RefreshReport, refresh_candles, select_due
from history.models import Series
from history.timestamps import to_us
from marketdata.command_progress import Show, steps_on
from marketdata.commands import EXIT_USAGE, UsageCommand
from marketdata.durations import DAY_US
from marketdata.exceptions import InvalidSymbol
from marketdata.symbols import canonical

_EPILOG = """\
The worker does it every few seconds; this is for doing it now, and for building candles
anew. Waits for refreshes that run. Days are UTC and both are included. Exit codes:
0 done, 1 failed (what is done stays; run it again), 64 wrong usage, 130 stopped by
Ctrl-C.

examples:
  manage.py refresh_candles
  manage.py refresh_candles -s EURUSD -s BTC/USDT --json
  manage.py refresh_candles -s EURUSD --broker oanda --from 2024-03-01 --to 2024-03-31
  manage.py refresh_candles --rebuild
"""


class Command(UsageCommand):
    """Refreshes the candles of all series, or of some."""

    help = "Compute the candles of everything that was stored since the last refresh."
    epilog = _EPILOG
    has_result = True
    when_stopped = "what is done stays, run it again to go on"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the command's arguments."""
        add = parser.add_argument
        add(
            *("-s", "--symbol"),
            action="append",
            metavar="SYMBOL",
            help="Only this instrument, in any spelling; repeat it for more.",
        )
        add("--broker", help="Only this broker's series.")
        add("--from", metavar="DAY", help="With --to: build these days anew.")
        add("--to", metavar="DAY", help="Last UTC day, included; with --from.")
        add(
            "--rebuild",
            action="store_true",
            help="Build all candles of the series anew, not only what changed.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Refresh, print what was done, and exit as the epilog of the help says."""
        span = _span(options)
        series = _select(options["symbol"] or [], options["broker"])
        with steps_on(self.stderr, "days") as show:
            report = _refresh(series, span, show)
        line = (
            f"{report.ranges} ranges of {report.series} series: "
            f"{report.candles_written} candles written, "
            f"{report.candles_deleted} deleted"
        )
        self.print_result(options, msgspec.structs.asdict(report), [line])


def _refresh(
    series: QuerySet[Series], span: tuple[int, int] | None, show: Show
) -> RefreshReport:
    now_us = time.time_ns() // 1000
    if span:
        note_for_rebuild(series, span, now_us=now_us)
    ids = [item.pk for item in series]
    total_us, done_us = sum(length for _, length in select_due(ids, now_us)), 0

    def advance(length_us: int) -> None:
        nonlocal done_us
        # Notes may overlap, and others may be added meanwhile.
        done_us = min(done_us + length_us, total_us)
        show("candles", done_us / DAY_US, total_us / DAY_US)

    return refresh_candles(ids, now_us=now_us, on_computed=advance)


def _span(options: dict[str, Any]) -> tuple[int, int] | None:
    """Return what to build anew, in us, the end exclusive; None for what changed."""
    first, last = options["from"], options["to"]
    if (first is None) != (last is None):
        found = "only --from" if last is None else "only --to"
        _refuse("--from and --to together", found)
    if first is None:
        return EVERYTHING if options["rebuild"] else None
    if options["rebuild"]:
        _refuse("--from and --to, or --rebuild", "both")
    start, end = _midnight(first), _midnight(last) + timedelta(days=1)
    if start >= end:
        _refuse(f"a last day from {first} on", last)
    return to_us(start), to_us(end)


def _midnight(text: str) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        _refuse("a day as 2019-02-04", repr(text))
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _select(symbols: list[str], broker: str | None) -> QuerySet[Series]:
    series = Series.objects.order_by("pk")
    try:
        names = [canonical(symbol) for symbol in symbols]
    except InvalidSymbol as exc:
        raise CommandError(str(exc), returncode=EXIT_USAGE) from exc
    if names:
        series = series.filter(instrument__symbol__in=names)
    if broker:
        series = series.filter(broker=broker.lower())
    known = set(series.values_list("instrument__symbol", flat=True))
    missing = [name for name in names if name not in known]
    if missing or (broker and not known):
        wanted = f"symbol {', '.join(missing) or 'any'} and broker {broker or 'any'}"
        _refuse("a series that is stored", f"none of {wanted}")
    return series


def _refuse(expected: str, found: str) -> NoReturn:
    raise CommandError(f"expected {expected}, found {found}", returncode=EXIT_USAGE)
