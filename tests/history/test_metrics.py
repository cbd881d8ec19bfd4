"""Metrics for Prometheus; server A's are in `test_health`."""

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from marketdata.connections import Connections, connections
from marketdata.metric_families import gauge

SCRAPE = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


@pytest.fixture(autouse=True)
def counts(monkeypatch):
    monkeypatch.setattr(connections, "clients", 3)
    monkeypatch.setattr(connections, "subscriptions", 6)
    monkeypatch.setattr(connections, "received", 17)
    monkeypatch.setattr(connections, "total", 4)
    monkeypatch.setattr(Connections, "sent", 23)


@pytest.mark.parametrize(
    ("address", "accept"),
    [("/metrics", "text/plain"), ("/metrics/prometheus", "*/*")],
)
def test_compat_check_25_and_76_metrics_for_prometheus(rest, address, accept):
    response = rest.get(address, Accept=accept)

    families = text_string_to_metric_families(response.content.decode())
    values = {sample.name: sample.value for item in families for sample in item.samples}
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert values.pop("marketdata_uptime_seconds") > 0
    assert (
        values
        | {
            "marketdata_connections": 3,
            "marketdata_subscriptions": 6,
            "marketdata_clients_total": 4,
            "marketdata_frames_sent_total": 23,
            "marketdata_frames_received_total": 17,
            "marketdata_process": 1,
        }
        == values
    )
    assert values["process_resident_memory_bytes"] > 2**20


def test_metrics_for_a_scraper_are_openmetrics(rest):
    response = rest.get("/metrics", Accept=SCRAPE)

    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert response.content.endswith(b"# EOF\n")


@pytest.mark.parametrize(
    "accept", ["text/plain;version=x", "application/openmetrics-text; version=abc"]
)
def test_scraper_with_a_strange_version_is_answered(rest, accept):
    response = rest.get("/metrics", Accept=accept)

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith(accept.partition(";")[0])


def test_database_that_says_nothing_holds_no_scraper_up(rest):
    async def wait_for_ever(reader):
        await asyncio.Event().wait()

    async def tell(reader):
        return [gauge("marketdata_told", "Told.", 1)]

    rest.services.shared_metrics = [wait_for_ever, tell]

    response = rest.get("/metrics/prometheus")

    text = response.content.decode()
    assert "marketdata_told 1.0" in text
    assert "marketdata_connections{" in text


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_metrics_for_anybody_else_are_server_as(rest, accept):
    response = rest.get("/metrics", Accept=accept)

    assert response.json() == {"connections": 3, "subscriptions": 6}
