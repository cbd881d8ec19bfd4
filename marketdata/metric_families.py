"""Metrics as processes hand them on: families of samples, and one text of many. Pure.

The format is Prometheus's (https://prometheus.io/docs/instrumenting/exposition_formats/).
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from prometheus_client.core import Metric

from marketdata.lag_histogram import BOUNDS_S, LagHistogram

# A sample: the end of its name (`_total`, `_bucket`, ...), its labels, its value.
Sample = tuple[str, dict[str, str], float]


class Family(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The samples of one metric; ``kind`` is `counter`, `gauge` or `histogram`.

    A counter's ``name`` is without `_total`.
    """

    name: str
    kind: str
    help: str
    samples: Sequence[Sample]


def counter(
    name: str, help: str, value: float, labels: Mapping[str, str] | None = None
) -> Family:
    """Return a counter with one sample."""
    return Family(name, "counter", help, [("_total", dict(labels or {}), value)])


def counters(name: str, help: str, label: str, values: Mapping[str, float]) -> Family:
    """Return a counter with a sample for each value of a label."""
    samples = [("_total", {label: key}, value) for key, value in values.items()]
    return Family(name, "counter", help, samples)


def gauge(
    name: str, help: str, value: float, labels: Mapping[str, str] | None = None
) -> Family:
    """Return a gauge with one sample."""
    return Family(name, "gauge", help, [("", dict(labels or {}), value)])


def histogram(
    name: str, help: str, found: Iterable[tuple[Mapping[str, str], LagHistogram]]
) -> Family:
    """Return a histogram in seconds, with the labels of each part."""
    samples: list[Sample] = []
    for labels, part in found:
        total = 0
        for bound, count in zip((*BOUNDS_S, "+Inf"), part.counts, strict=True):
            total += count
            samples.append(("_bucket", {**labels, "le": str(bound)}, total))
        samples.append(("_count", dict(labels), total))
        samples.append(("_sum", dict(labels), part.sum_us / 1e6))
    return Family(name, "histogram", help, samples)


def from_library(metrics: Iterable[Metric]) -> list[Family]:
    """Return what a collector of prometheus_client gives."""
    return [
        Family(
            item.name,
            item.type,
            item.documentation,
            [
                (sample.name.removeprefix(item.name), dict(sample.labels), sample.value)
                for sample in item.samples
            ],
        )
        for item in metrics
    ]


def merge(
    parts: Iterable[tuple[Mapping[str, str], Iterable[Family]]],
) -> list[Metric]:
    """Return the families of all parts, each sample with its part's labels.

    A family that two parts have is one; its help is the first one's.
    """
    found: dict[str, Metric] = {}
    for labels, families in parts:
        for family in families:
            metric = found.get(family.name)
            if metric is None:
                metric = Metric(family.name, family.help, family.kind)
                found[family.name] = metric
            for ending, own, value in family.samples:
                metric.add_sample(family.name + ending, {**own, **labels}, value)
    return list(found.values())
