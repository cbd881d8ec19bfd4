"""Requests as metrics."""

import pytest

from history.http_counts import HttpCounts, readable


@pytest.mark.parametrize(
    ("route", "written"),
    [
        ("^api/candles/?$", "/api/candles"),
        (r"^api/symbols/(?P<symbol>[^/]+)/?$", "/api/symbols/{symbol}"),
        ("admin/<int:pk>/change", "/admin/{pk}/change"),
        ("unknown", "/unknown"),
    ],
)
def test_routes_are_written_as_people_do(route, written):
    assert readable(route) == written


def test_answers_are_counted_by_method_route_and_status():
    counts = HttpCounts()
    counts.note("GET", "^api/candles/?$", 200, 0.002)
    counts.note("GET", "^api/candles/?$", 200, 0.004)
    counts.note("BREW", "unknown", 405, 0.001)

    requests, times = counts.families()

    assert list(requests.samples) == [
        ("_total", {"method": "GET", "route": "/api/candles", "status": "200"}, 2),
        ("_total", {"method": "OTHER", "route": "/unknown", "status": "405"}, 1),
    ]
    sums = {
        labels["route"]: value
        for ending, labels, value in times.samples
        if ending == "_sum"
    }
    assert sums == {"/api/candles": 0.006, "/unknown": 0.001}
