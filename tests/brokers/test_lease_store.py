"""The lease's row: whoever asks gets it, or nothing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import django.db
import pytest
from django.db import connection, transaction
from django.utils import timezone

from brokers.exceptions import LeaseLost
from brokers.lease_store import Leased, LeaseStore, check_lease, process_name
from brokers.models import Feed
from marketdata.models import Broker

EXPIRY_S = 10.0


def store(holder: str = "one", broker: str = "fake") -> LeaseStore:
    return LeaseStore(broker, holder)


def age(seconds: float) -> None:
    """Make the last sign of life so old."""
    Feed.objects.update(renewed=timezone.now() - timedelta(seconds=seconds))


@pytest.fixture
def broker(db: None) -> Broker:
    return Broker.objects.create(name="fake", title="Fake")


def test_take_first_has_the_epoch_that_was_asked_for(broker: Broker) -> None:
    assert store().take(1_000, EXPIRY_S) == 1_000

    feed = Feed.objects.get(broker="fake")
    assert (feed.epoch, feed.holder) == (1_000, "one")
    assert abs(feed.renewed - timezone.now()) < timedelta(seconds=5)


def test_take_private_feeds_needs_no_public_feed(broker: Broker) -> None:
    private = LeaseStore("fake", "one", Leased.PRIVATE_FEEDS)

    assert private.take(7, EXPIRY_S) == 7
    assert store("two").take(5, EXPIRY_S) == 5


def test_take_held_by_another_gives_nothing_and_changes_nothing(
    broker: Broker,
) -> None:
    store("one").take(1_000, EXPIRY_S)
    before = Feed.objects.values().get()

    assert store("two").take(2_000, EXPIRY_S) is None
    assert Feed.objects.values().get() == before


@pytest.mark.parametrize(
    ("age_s", "expiry_s", "found"),
    [(9.0, EXPIRY_S, None), (11.0, EXPIRY_S, 1_001), (11.0, None, None)],
)
def test_take_from_a_silent_holder_after_the_expiry(
    broker: Broker, age_s: float, expiry_s: float | None, found: int | None
) -> None:
    store("one").take(1_000, EXPIRY_S)
    age(age_s)

    assert store("two").take(1_000, expiry_s) == found


def test_take_clock_set_back_has_a_higher_epoch(broker: Broker) -> None:
    store("one").take(1_000, EXPIRY_S)
    store("one").release()

    assert store("two").take(500, None) == 1_001


def test_take_unknown_broker_raises(transactional_db: None) -> None:
    with pytest.raises(django.db.IntegrityError):
        store(broker="nobody").take(1_000, EXPIRY_S)


def test_take_brokers_have_leases_apart(broker: Broker) -> None:
    Broker.objects.create(name="other", title="Other")

    assert store("one").take(1_000, EXPIRY_S) == 1_000
    assert store("two", "other").take(1_000, EXPIRY_S) == 1_000


def test_renew_is_a_sign_of_life(broker: Broker) -> None:
    epoch = store("one").take(1_000, EXPIRY_S)
    age(9.0)

    assert store("one").renew(epoch)
    assert timezone.now() - Feed.objects.get().renewed < timedelta(seconds=5)


def test_renew_lease_of_another_is_refused(broker: Broker) -> None:
    epoch = store("one").take(1_000, EXPIRY_S)
    age(11.0)
    store("two").take(1_000, EXPIRY_S)

    assert not store("one").renew(epoch)


def test_release_lets_another_take_it_at_once(broker: Broker) -> None:
    store("one").take(1_000, EXPIRY_S)

    store("one").release()

    assert store("two").take(1_000, None) == 1_001


def test_release_lease_of_another_does_nothing(broker: Broker) -> None:
    store("one").take(1_000, EXPIRY_S)
    age(11.0)
    store("two").take(1_000, EXPIRY_S)

    store("one").release()

    assert Feed.objects.get().holder == "two"


def test_adopt_the_higher_epoch_wins(broker: Broker) -> None:
    store("one").take(1_000, EXPIRY_S)

    assert not store("two").adopt(1_000)
    assert store("two").adopt(1_001)
    assert not store("one").renew(1_000)


@pytest.mark.django_db(transaction=True)
def test_take_at_the_same_time_is_for_one() -> None:
    Broker.objects.create(name="fake", title="Fake")

    def take(number: int) -> int | None:
        one = store(str(number))
        try:
            return one.take(1_000, EXPIRY_S)
        finally:
            one.close()

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(take, range(8)))

    assert sorted(map(str, found)) == ["1000"] + ["None"] * 7


@pytest.mark.parametrize(
    ("epoch", "error"),
    [(999, LeaseLost), (1_000, None), (1_001, django.db.OperationalError)],
)
def test_check_lease(broker: Broker, epoch: int, error: type[Exception] | None) -> None:
    store("one").take(1_000, EXPIRY_S)

    with connection.cursor() as cursor:
        if error is None:
            check_lease(cursor, "fake", epoch)
        else:
            with pytest.raises(error):
                check_lease(cursor, "fake", epoch)


def test_check_lease_never_taken_is_put_off_but_for_unknown_brokers(
    broker: Broker,
) -> None:
    with connection.cursor() as cursor:
        check_lease(cursor, "nobody", 1_000)
        with pytest.raises(django.db.OperationalError, match="not ours yet"):
            check_lease(cursor, "fake", 1_000)


@pytest.mark.django_db(transaction=True)
def test_check_lease_keeps_others_from_taking_it_until_the_end() -> None:
    Broker.objects.create(name="fake", title="Fake")
    epoch = store("one").take(1_000, EXPIRY_S)
    age(11.0)

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic(), connection.cursor() as cursor:
            check_lease(cursor, "fake", epoch)
            assert threads.submit(take, EXPIRY_S).result(timeout=5) is None
        assert threads.submit(take, EXPIRY_S).result(timeout=5) == 1_001


@pytest.mark.django_db(transaction=True)
def test_take_that_waited_for_the_database_lets_the_holder_find_back() -> None:
    Broker.objects.create(name="fake", title="Fake")
    holder = store("one")
    epoch = holder.take(1_000, EXPIRY_S)

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE brokers_feed IN EXCLUSIVE MODE")
            taking = threads.submit(take, 0.2)
            with pytest.raises(TimeoutError):
                taking.result(timeout=0.5)
        assert taking.result(timeout=5) is None

        assert holder.renew(epoch)
        assert threads.submit(take, EXPIRY_S).result(timeout=5) is None


def take(expiry_s: float) -> int | None:
    """Take the lease for another process, in a thread with its own connection."""
    other = store("two")
    try:
        return other.take(1_000, expiry_s)
    finally:
        other.close()


def test_process_name_is_never_the_same() -> None:
    assert process_name() != process_name()
