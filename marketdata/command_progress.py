"""How far a command is: a bar on a terminal, elsewhere a line a second at most."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

LINE_INTERVAL_S = 1.0  # a command that is done sooner writes none

# Takes what is at work, how much is done, and how much there is in all.
Show = Callable[[str, float, float], None]


@contextmanager
def steps_on(stream: OutputWrapper, unit: str) -> Iterator[Show]:
    """Yield what shows on the stream how many of the ``unit`` are done.

    Give it standard error: standard output is for the result. A bar is gone at the end.
    """
    if not stream.isatty():
        yield _Lines(stream, unit).show
        return
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} " + unit + "  ETA"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bars:
        bar = bars.add_task("", total=0)
        yield lambda what, done, total: bars.update(
            bar, description=what, completed=done, total=total
        )


class _Lines:
    def __init__(self, stream: OutputWrapper, unit: str) -> None:
        self._stream, self._unit = stream, unit
        self._started_s = self._written_s = time.monotonic()

    def show(self, what: str, done: float, total: float) -> None:
        now_s = time.monotonic()
        if now_s - self._written_s < LINE_INTERVAL_S:
            return
        self._written_s = now_s
        line = f"{what}: {done:,.0f} of {total:,.0f} {self._unit}"
        if done:
            left_s = (now_s - self._started_s) * (total - done) / done
            line += f", ETA {left_s:.0f} s"
        self._stream.write(line, str)
