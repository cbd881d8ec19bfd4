"""Requests over HTTP, counted by route and status, with the time until the answer."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from marketdata.lag_histogram import LagHistogram
from marketdata.metric_families import Family, Sample, histogram

Application = Callable[[Any, Any, Any], Awaitable[None]]

UNKNOWN = "unknown"  # an address that nothing serves
_PARAMETER = re.compile(r"\(\?P<(\w+)>[^)]*\)|<(?:\w+:)?(\w+)>")


class HttpCounts:
    """The counts of a process.

    Routes are those of the URL configuration, so there are only so many labels.
    """

    def __init__(self) -> None:
        self._answers: Counter[tuple[str, str, int]] = Counter()
        self._times: dict[str, LagHistogram] = {}

    def note(self, method: str, route: str, status: int, elapsed_s: float) -> None:
        """Count an answer; a method that HTTP does not have is `OTHER`."""
        if method not in _METHODS:
            method = "OTHER"
        self._answers[method, route, status] += 1
        times = self._times.get(route)
        if times is None:
            times = self._times[route] = LagHistogram()
        times.observe(int(elapsed_s * 1e6))

    def families(self) -> list[Family]:
        """Return the metrics."""
        samples: list[Sample] = [
            (
                "_total",
                {"method": method, "route": readable(route), "status": str(status)},
                count,
            )
            for (method, route, status), count in self._answers.items()
        ]
        return [
            Family("http_requests", "counter", "Answers to requests.", samples),
            histogram(
                "http_request_seconds",
                "From the request to the answer, of a stream to its first page.",
                [
                    ({"route": readable(route)}, times)
                    for route, times in self._times.items()
                ],
            ),
        ]


_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def readable(route: str) -> str:
    """Return a route as people write it, `/api/candles/{symbol}`.

    Django's begin with `^` and end with `/?$` where they are patterns.
    """
    path = route.removeprefix("^").removesuffix("$").removesuffix("/?")
    return "/" + _PARAMETER.sub(lambda found: f"{{{found[1] or found[2]}}}", path)


# What the web process counts.
http_counts = HttpCounts()


def counted(application: Application, route: str) -> Application:
    """Return the ASGI application with its answers counted under one route."""

    async def count(scope: Any, receive: Any, send: Any) -> None:
        started_s = perf_counter()

        async def note(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                elapsed_s = perf_counter() - started_s
                http_counts.note(scope["method"], route, message["status"], elapsed_s)
            await send(message)

        await application(scope, receive, note)

    return count
