"""Telling people how an import goes on: a bar on a terminal, lines elsewhere."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from importer.hours import HourRange, day_text
from importer.outcomes import ImportReport, Outcome

# Years of days make thousands of lines; one a second is enough to watch.
LINE_INTERVAL_S = 1.0
# A slow source takes minutes for a chunk; days in between are told then.
SILENCE_S = 10.0


class LineProgress:
    """Writes a line per chunk, at most one a second, each with the figures so far."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._hours = self._done = 0
        self._sum = ImportReport()
        self._started_s = self._written_s = 0.0

    def begin(self, symbol: str, hours: int) -> None:
        """Count from here."""
        self._hours, self._done = hours, 0
        self._sum = ImportReport()
        self._started_s = self._written_s = time.monotonic()

    def wait(self, symbol: str) -> None:
        """Say that another import has the series."""
        self._write(f"{symbol}: another import is at work on it, waiting for its end")

    def advance(self, symbol: str, day: HourRange, part: ImportReport) -> None:
        """Add the figures; write them if there was no line for long."""
        self._done += len(day)
        self._sum.add(part)
        self._write_line(symbol, day, after_s=SILENCE_S)

    def complete(self, symbol: str, chunk: HourRange) -> None:
        """Write the figures if the last line is old enough or the range is through."""
        is_last = self._done >= self._hours
        self._write_line(symbol, chunk, after_s=0 if is_last else LINE_INTERVAL_S)

    def _write_line(self, symbol: str, part: HourRange, *, after_s: float) -> None:
        now_s = time.monotonic()
        if now_s - self._written_s >= after_s:
            self._written_s = now_s
            self._write(self._line(symbol, part, now_s - self._started_s))

    def _line(self, symbol: str, day: HourRange, elapsed_s: float) -> str:
        figures = ", ".join(
            f"{self._sum.hours[outcome]} {outcome.value}"
            for outcome in Outcome
            if self._sum.hours[outcome]
        )
        rate = self._sum.ticks / elapsed_s if elapsed_s else 0
        left_s = elapsed_s * (self._hours - self._done) / max(self._done, 1)
        return (
            f"{symbol} {day_text(day.end_us - 1)}: {self._done}/{self._hours} hours "
            f"({figures}), {self._sum.ticks:,} ticks, {rate:,.0f} ticks/s, "
            f"ETA {left_s:.0f} s"
        )


class BarProgress:
    """Draws a bar per series on standard error; use it as a context manager."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("hours  {task.fields[ticks]:,} ticks"),
            TextColumn("{task.fields[rate]:,.0f} ticks/s  ETA"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._bar = TaskID(0)
        self._ticks = 0

    def __enter__(self) -> "BarProgress":
        self._bars.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._bars.stop()

    def begin(self, symbol: str, hours: int) -> None:
        """Begin a bar."""
        self._ticks = 0
        self._bar = self._bars.add_task(symbol, total=hours, ticks=0, rate=0.0)

    def wait(self, symbol: str) -> None:
        """Say so above the bars."""
        self._bars.console.print(f"{symbol}: another import is at work on it, waiting")

    def advance(self, symbol: str, day: HourRange, part: ImportReport) -> None:
        """Move the bar."""
        self._ticks += part.ticks
        elapsed_s = self._bars.tasks[self._bar].elapsed or 0.0
        rate = self._ticks / elapsed_s if elapsed_s else 0.0
        self._bars.update(self._bar, advance=len(day), ticks=self._ticks, rate=rate)

    def complete(self, symbol: str, chunk: HourRange) -> None:
        """Leave the bar, which moves by days."""
