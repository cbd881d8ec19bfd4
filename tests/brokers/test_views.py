import time

import pytest
from django.utils import timezone

from brokers.models import Feed
from marketdata.models import Broker
from tests.history.factories import make_broker, store_quotes

pytestmark = pytest.mark.django_db(transaction=True)


def test_brokers_are_all_that_there_are_by_name(rest, settings):
    settings.BROKERS_ENABLED = ["simulated"]
    now = int(time.time())
    make_broker("kraken")
    store_quotes([(now, 1.1, 1.2)], broker="simulated")
    Broker.objects.filter(name="simulated").update(is_simulated=True)
    Feed.objects.create(broker_id="simulated", claimed=timezone.now())

    answer = rest.get("/api/brokers")

    kraken, simulated = answer.json()
    assert kraken == {
        "broker": "kraken",
        "enabled": False,
        "state": "disabled",
        "since": None,
        "last_record": None,
        "simulated": False,
    }
    assert simulated["state"] == "live"
    assert simulated["simulated"] is True
    assert simulated["last_record"] == now
    assert abs(simulated["since"] - now) < 10
