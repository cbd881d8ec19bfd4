"""What Chromium's trace says of a page's main thread. Pure.

An event of the trace (Trace Event Format, docs.google.com/document/d/
1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU, read 2026-11-21), times in microseconds:

    {"name":"RunTask","ph":"X","pid":9,"tid":1,"ts":5000,"dur":40,"tdur":31}

``dur`` is wall time, ``tdur`` CPU time.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

CATEGORIES = ("disabled-by-default-devtools.timeline", "__metadata")
_TASK = "RunTask"
_MAIN = "CrRendererMain"


class MainThread(NamedTuple):
    """Tasks of a page's main thread: wall and CPU time of all, and of the longest."""

    busy_us: int
    cpu_us: int
    longest_us: int
    longest_cpu_us: int


def read_main_thread(events: Iterable[Mapping[str, Any]]) -> MainThread:
    """Return the figures of the page that did most.

    Raises: ValueError when the trace has no task of any page.
    """
    mains = set()
    tasks = defaultdict(list)
    for event in events:
        thread = (event["pid"], event["tid"])
        if event["name"] == "thread_name" and event["args"]["name"] == _MAIN:
            mains.add(thread)
        elif event["name"] == _TASK and event["ph"] == "X":
            tasks[thread].append((event["dur"], event.get("tdur", 0)))
    found = [_sum(tasks[thread]) for thread in mains if tasks[thread]]
    if not found:
        raise ValueError("expected tasks of a page's main thread, found none")
    return max(found)


def _sum(tasks: list[tuple[int, int]]) -> MainThread:
    return MainThread(
        busy_us=sum(wall_us for wall_us, _ in tasks),
        cpu_us=sum(cpu_us for _, cpu_us in tasks),
        longest_us=max(wall_us for wall_us, _ in tasks),
        longest_cpu_us=max(cpu_us for _, cpu_us in tasks),
    )
