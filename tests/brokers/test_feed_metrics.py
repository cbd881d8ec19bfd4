"""Metrics of feeds: of those that run, and of those that should."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from brokers.feed_answers import FeedCounts
from brokers.feed_metrics import feed_metrics
from marketdata.instruments import load_instruments
from marketdata.models import Broker
from tests.rest_client import RestClient


@pytest.mark.parametrize(
    ("state", "is_up"), [("live", 1), ("idle", 1), ("connecting", 0), ("lost", 0)]
)
def test_feed_that_nobody_wants_is_up(state: str, is_up: int) -> None:
    families = feed_metrics("kraken", FeedCounts(state, 1, 1, 0), {}, {})

    (up,) = [item for item in families if item.name == "marketdata_feed_up"]
    assert list(up.samples) == [("", {"broker": "kraken"}, is_up)]


@pytest.mark.django_db(transaction=True)
def test_feeds_that_should_run_are_told_though_none_does(settings) -> None:
    settings.BROKERS_ENABLED = ["simulated", "oanda"]
    load_instruments()
    Broker.objects.filter(pk="kraken").update(is_enabled=True)
    Broker.objects.filter(pk="oanda").update(is_enabled=False)
    client = RestClient()

    text = client.get("/metrics/prometheus").content.decode()

    client.close()
    enabled = {
        (sample.labels["broker"], sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "marketdata_feed_enabled"
    }
    assert enabled == {("simulated", 1), ("kraken", 1)}
