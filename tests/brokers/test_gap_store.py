"""Gaps are stored by the process that holds the lease, and by no other."""

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError
from msgspec import structs

from brokers.exceptions import LeaseLost
from brokers.gap_store import FeedGapStore
from brokers.lease_store import LeaseStore, check_lease
from history.feed_gaps import FeedGapRow
from history.models import FeedGap, Series
from marketdata.records import Kind
from tests.history.factories import T0, store_quotes

pytestmark = pytest.mark.django_db(transaction=True)

S = 1_000_000
GAP = FeedGapRow("EURUSD", Kind.TICK, T0 * S, (T0 + 60) * S, "connection lost")


@pytest.fixture
def lease() -> LeaseStore:
    """Ticks of EURUSD by oanda, whose lease has the epoch 7."""
    store_quotes([(T0, 1.1, 1.2)], broker="oanda")
    store = LeaseStore("oanda", "one")
    assert store.take(7, 10) == 7
    return store


def gaps_of(epoch: int) -> FeedGapStore:
    """Return the store of a process whose turn has the epoch."""
    return FeedGapStore("oanda", lambda cursor: check_lease(cursor, "oanda", epoch))


@pytest.mark.usefixtures("lease")
def test_store_of_the_holder_stores() -> None:
    assert async_to_sync(gaps_of(7).store)([GAP]) == 1


@pytest.mark.usefixtures("lease")
@pytest.mark.parametrize(("epoch", "error"), [(6, LeaseLost), (8, OperationalError)])
def test_store_without_the_lease_stores_nothing(
    epoch: int, error: type[Exception]
) -> None:
    before = Series.objects.get()

    with pytest.raises(error):
        async_to_sync(gaps_of(epoch).store)([GAP, structs.replace(GAP, reason="other")])

    assert not FeedGap.objects.exists()
    assert Series.objects.get().revision == before.revision
