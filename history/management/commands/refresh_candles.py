"""`manage.py refresh_candles`: brings candles up to date, or builds them anew."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.db.models import QuerySet

from history.candle_refresh import refresh_candles
from history.changed_ranges import note_changed_ranges
from history.models import Series
from history.timestamps import to_us
from marketdata.exceptions import InvalidSymbol
from marketdata.symbols import canonical


class Command(BaseCommand):
    help = (
        "Compute the candles of everything that was stored since the last refresh "
        "(the worker does so every few seconds). Waits for refreshes that run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--symbol", help="only this instrument (EURUSD, EUR/USD)")
        parser.add_argument("--broker", help="only this broker's series")
        parser.add_argument(
            "--rebuild",
            action="store_true",
            help="compute all candles of the series again, not only what changed",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        series = self._select(options["symbol"], options["broker"])
        now_us = time.time_ns() // 1000
        if options["rebuild"]:
            _note_everything(series, now_us)
        report = refresh_candles([item.pk for item in series], now_us=now_us)
        self.stdout.write(
            f"{report.ranges} ranges of {report.series} series: "
            f"{report.candles_written} candles written, "
            f"{report.candles_deleted} deleted"
        )

    def _select(self, symbol: str | None, broker: str | None) -> QuerySet[Series]:
        series = Series.objects.order_by("pk")
        if symbol:
            try:
                series = series.filter(instrument__symbol=canonical(symbol))
            except InvalidSymbol as exc:
                raise CommandError(str(exc)) from exc
        if broker:
            series = series.filter(broker=broker.lower())
        if (symbol or broker) and not series.exists():
            raise CommandError(
                f"nothing is stored for symbol {symbol or 'any'!r} "
                f"and broker {broker or 'any'!r}"
            )
        return series


def _note_everything(series: QuerySet[Series], now_us: int) -> None:
    # One transaction per series: a note is seen as soon as it is written.
    for item in series.exclude(earliest=None):
        notes = [(item.pk, to_us(item.earliest), to_us(item.latest) + 1, now_us)]
        with transaction.atomic(), connection.cursor() as cursor:
            note_changed_ranges(cursor, notes)
