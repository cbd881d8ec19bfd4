"""The state of a feed: one row, of the process that has the lease."""

import pytest

from brokers.exceptions import LeaseLost
from history.feed_states import FeedStateRow, select_live_until, store_feed_state
from history.models import FeedState
from marketdata.models import Broker

pytestmark = pytest.mark.django_db(transaction=True)

S = 1_000_000


@pytest.fixture(autouse=True)
def broker():
    return Broker.objects.create(name="fake")


def may_store(cursor):
    """Guard of the process that has the lease."""


def test_store_feed_state_keeps_the_newest_and_until_when_it_was_live():
    assert select_live_until("fake") is None
    for row in (
        FeedStateRow("live", 10 * S, 20 * S, 20 * S),
        FeedStateRow("starting", 30 * S, 40 * S, None),
    ):
        store_feed_state("fake", row, guard=may_store)

    assert FeedState.objects.get().state == "starting"
    assert select_live_until("fake") == 20 * S


def test_store_feed_state_without_the_lease_stores_nothing():
    def guard(cursor):
        raise LeaseLost("fake")

    with pytest.raises(LeaseLost):
        store_feed_state("fake", FeedStateRow("live", 1, 2, 2), guard=guard)

    assert not FeedState.objects.exists()
