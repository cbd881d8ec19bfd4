"""Names of metrics: in the code, in the document, on the dashboard."""

import json
import re
from pathlib import Path

from brokers.feed_answers import FeedCounts
from brokers.feed_metrics import _COUNTERS, feed_metrics
from history.http_counts import HttpCounts
from marketdata.connections import Connections
from marketdata.lag_histogram import LagHistogram
from marketdata.own_metrics import OwnMetrics
from marketdata.web_metrics import client_metrics

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = (ROOT / "docs" / "metrics.md").read_text()
DASHBOARD = json.loads((ROOT / "ops" / "grafana.json").read_text())
SOURCES = "".join(
    path.read_text()
    for app in ("marketdata", "history", "importer", "brokers")
    for path in (ROOT / app).glob("*metric*.py")
)


def exposed() -> set[str]:
    """Return the names that Prometheus sees, those of the hub and imports by source."""
    counts = FeedCounts("live", 1, 1, 0, received_us=1, event_us=1)
    figures = dict.fromkeys(_COUNTERS, 0)
    families = [
        *feed_metrics("x", counts, figures, {"stored": LagHistogram()}),
        *client_metrics(Connections()),
        *HttpCounts().families(),
        *OwnMetrics().families(),
    ]
    names = {
        family.name + ("_total" if family.kind == "counter" else "")
        for family in families
    }
    for kind, name in re.findall(r'(counters?|gauge)\(\s*"(marketdata_\w+)"', SOURCES):
        names.add(name + ("_total" if kind != "gauge" else ""))
    return names | set(re.findall(r'Family\(\s*"(marketdata_\w+)"', SOURCES))


def test_every_metric_is_documented_and_nothing_else() -> None:
    documented = set(re.findall(r"(?:marketdata|http|process)_[a-z_]+", DOCUMENT))

    assert documented == exposed()


def test_dashboard_shows_metrics_that_exist() -> None:
    expressions = [
        target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
    ]
    names = re.findall(r"(?:marketdata|http|process)_[a-z_]+", " ".join(expressions))

    assert len(expressions) > 20
    assert {name.removesuffix("_bucket") for name in names} <= exposed()
