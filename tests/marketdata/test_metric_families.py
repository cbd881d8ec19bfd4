"""Metrics of several processes in one text, and histograms of lags."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from marketdata.lag_histogram import BOUNDS_S, LagHistogram
from marketdata.metric_families import counter, counters, gauge, histogram, merge
from marketdata.own_metrics import OwnMetrics


class Merged:
    def __init__(self, *parts) -> None:
        self._parts = parts

    def collect(self):
        return merge(self._parts)


def samples(*parts) -> dict[tuple[str, str], float]:
    """Return what Prometheus reads, by name and labels."""
    registry = CollectorRegistry()
    registry.register(Merged(*parts))
    text = generate_latest(registry).decode()
    return {
        (
            item.name,
            ",".join(f"{key}={item.labels[key]}" for key in sorted(item.labels)),
        ): (item.value)
        for family in text_string_to_metric_families(text)
        for item in family.samples
    }


def test_merge_keeps_the_samples_of_each_process_apart():
    found = samples(
        ({"process": "a"}, [counter("sent", "Sent.", 3), gauge("open", "Open.", 1)]),
        ({"process": "b"}, [counter("sent", "Sent.", 4)]),
    )

    assert found == {
        ("sent_total", "process=a"): 3,
        ("sent_total", "process=b"): 4,
        ("open", "process=a"): 1,
    }


def test_labels_of_samples_are_kept():
    found = samples(
        ({}, [counters("closed", "Closed.", "code", {"4002": 2, "1001": 1})])
    )

    assert found == {
        ("closed_total", "code=4002"): 2,
        ("closed_total", "code=1001"): 1,
    }


def test_histogram_counts_up_to_each_bound():
    lags = LagHistogram()
    lags.observe(1_000)  # the bound is part of its class
    lags.observe(1_001, times=3)
    lags.observe(60_000_000)
    found = samples(
        ({"process": "a"}, [histogram("lag", "Lag.", [({"stage": "x"}, lags)])])
    )

    def bucket(bound: str) -> float:
        return found["lag_bucket", f"le={bound},process=a,stage=x"]

    assert [bucket(str(bound)) for bound in BOUNDS_S] == [1.0] + [4.0] * 12
    assert bucket("+Inf") == found["lag_count", "process=a,stage=x"] == 5
    assert found["lag_sum", "process=a,stage=x"] == pytest.approx(60.004003)


def test_lag_below_zero_is_none():
    lags = LagHistogram()
    lags.observe(-5_000_000, times=2)

    assert (lags.counts[0], lags.sum_us) == (2, 0)


def test_process_tells_its_memory_descriptors_and_sources():
    own = OwnMetrics()

    def source():
        return [gauge("open", "Open.", 7)]

    own.add(source)
    names = {family.name for family in own.families()}
    own.remove(source)

    assert {"open", "process_resident_memory_bytes", "process_open_fds"} <= names
    assert "open" not in {family.name for family in own.families()}
