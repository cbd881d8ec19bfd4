from concurrent.futures import ThreadPoolExecutor

import django.db
import pytest

from brokers.epochs import claim_epoch
from brokers.models import Feed
from marketdata.models import Broker
from marketdata.numbering import EPOCH_ORIGIN_S

NOW_S = EPOCH_ORIGIN_S + 1_000.5


@pytest.mark.django_db
def test_claim_epoch_first_is_the_clock_s() -> None:
    Broker.objects.create(name="fake", title="Fake")

    assert claim_epoch("fake", NOW_S) == 1_000

    feed = Feed.objects.get(broker="fake")
    assert feed.epoch == 1_000
    assert feed.claimed.timestamp() == NOW_S


@pytest.mark.django_db
def test_claim_epoch_within_one_second_rises() -> None:
    Broker.objects.create(name="fake", title="Fake")

    assert [claim_epoch("fake", NOW_S) for _ in range(3)] == [1_000, 1_001, 1_002]


@pytest.mark.django_db
def test_claim_epoch_clock_set_back_rises() -> None:
    Broker.objects.create(name="fake", title="Fake")
    claim_epoch("fake", NOW_S)

    assert claim_epoch("fake", NOW_S - 500) == 1_001


@pytest.mark.django_db
def test_claim_epoch_brokers_count_apart() -> None:
    Broker.objects.create(name="one", title="One")
    Broker.objects.create(name="two", title="Two")

    assert claim_epoch("one", NOW_S) == claim_epoch("two", NOW_S) == 1_000


@pytest.mark.django_db(transaction=True)
def test_claim_epoch_at_the_same_time_gives_different_epochs() -> None:
    Broker.objects.create(name="fake", title="Fake")

    def claim(_number: int) -> int:
        try:
            return claim_epoch("fake", NOW_S)
        finally:
            django.db.connection.close()

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(claim, range(8)))

    assert sorted(found) == list(range(1_000, 1_008))


@pytest.mark.django_db(transaction=True)
def test_claim_epoch_unknown_broker_raises() -> None:
    with pytest.raises(django.db.IntegrityError):
        claim_epoch("nobody", NOW_S)
