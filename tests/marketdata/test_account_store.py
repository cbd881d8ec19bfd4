import contextlib
from datetime import timedelta

import psycopg
import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from history.database_address import conninfo
from marketdata.account_store import DatabaseStore, ensure_plans, make_api_key, plan_of
from marketdata.accounts import ApiKeyFacts
from marketdata.clients import Plan
from marketdata.credentials import hash_api_key, is_api_key
from marketdata.models import ApiKey, ClientPlan

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def plan():
    """A plan with a value of its own in each field."""
    return ClientPlan.objects.create(
        name="pro",
        subscriptions=500,
        gateway_symbols=50,
        requests_per_s=0.5,
        request_burst=7,
        connections=3,
        since_days=30,
        brokers=["binance", "simulated-oanda"],
        symbols=["EURUSD"],
        is_conflated=True,
        rest_requests_per_min=6000,
    )


def add_key(plan: ClientPlan, name: str = "desk", **fields: object) -> ApiKey:
    prefix, hashed, _ = make_api_key()
    return ApiKey.objects.create(
        name=name, plan=plan, prefix=prefix, hashed_key=hashed, **fields
    )


def test_select_plans_returns_all_fields(plan):
    assert DatabaseStore().select_plans() == {
        "pro": Plan(
            name="pro",
            subscriptions=500,
            gateway_symbols=50,
            requests_per_s=0.5,
            request_burst=7,
            connections=3,
            since_days=30,
            brokers=frozenset({"binance", "simulated-oanda"}),
            symbols=frozenset({"EURUSD"}),
            is_conflated=True,
            rest_requests_per_min=6000,
        )
    }


def test_ensure_plans_adds_the_defaults_of_the_code_and_changes_nothing():
    ensure_plans()
    assert DatabaseStore().select_plans() == {"anonymous": Plan()}

    ClientPlan.objects.update(subscriptions=7)
    ensure_plans()

    assert plan_of(ClientPlan.objects.get()).subscriptions == 7


def test_without_database_url_there_are_no_plans_and_no_keys(settings):
    settings.DATABASE_URL = ""
    store = DatabaseStore()

    assert store.select_plans() is None
    assert store.select_api_keys(["x"]) == store.select_staff(["x"]) == {}


def test_make_api_key_is_new_each_time_and_stored_as_a_hash(plan):
    prefix, hashed, key = make_api_key()

    assert is_api_key(key)
    assert (prefix, hashed) == (key[:10], hash_api_key(key))
    assert len({make_api_key()[2] for _ in range(100)}) == 100


def test_select_api_keys_returns_active_ones(plan):
    expires = timezone.now() + timedelta(days=1)
    good, off = add_key(plan, expires=expires), add_key(plan, "off", is_active=False)

    found = DatabaseStore().select_api_keys([good.hashed_key, off.hashed_key, "x"])

    facts = ApiKeyFacts("desk", plan_of(plan), expires.timestamp())
    assert found == {good.hashed_key: facts}


def test_select_api_keys_notes_their_use_to_the_minute(plan):
    key = add_key(plan)
    other = add_key(plan, "other")
    store = DatabaseStore()

    store.select_api_keys([key.hashed_key])
    key.refresh_from_db()
    first = key.last_used
    store.select_api_keys([key.hashed_key])
    key.refresh_from_db()
    other.refresh_from_db()

    assert abs(timezone.now() - first) < timedelta(seconds=10)
    assert (key.last_used, other.last_used) == (first, None)

    long_ago = timezone.now() - timedelta(minutes=2)
    ApiKey.objects.update(last_used=long_ago)
    store.select_api_keys([key.hashed_key])
    key.refresh_from_db()
    assert key.last_used > first


def test_select_api_keys_of_many_takes_a_few_statements(plan):
    hashes = [add_key(plan, f"desk {number}").hashed_key for number in range(50)]

    with CaptureQueriesContext(connection) as statements:
        found = DatabaseStore().select_api_keys(hashes)

    assert len(found) == 50
    assert len(statements) <= 4  # one of them an update, in a transaction


def test_select_api_keys_does_not_wait_for_a_row_that_is_locked(plan):
    key = add_key(plan)

    with other_transaction("SELECT FROM marketdata_apikey FOR UPDATE"):
        found = DatabaseStore().select_api_keys([key.hashed_key])

    key.refresh_from_db()
    assert (len(found), key.last_used) == (1, None)


def test_select_api_keys_works_where_nothing_can_be_written(plan):
    key = add_key(plan)
    connection.ensure_connection()
    options = connection.settings_dict["OPTIONS"]
    connection.close()
    kept = options.get("options", "")
    options["options"] = "-c default_transaction_read_only=on"
    try:
        found = DatabaseStore().select_api_keys([key.hashed_key])
    finally:
        options["options"] = kept
        if not kept:
            del options["options"]

    assert len(found) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("brokers", ["not a broker"]),
        ("symbols", ["EUR/USD"]),
        ("symbols", ["eurusd"]),
        ("symbols", ["EURUSD\n"]),
        ("requests_per_s", -1),
        ("request_burst", 0),
        ("subscriptions", -1),
        ("name", "two words"),
    ],
)
def test_plan_is_validated(field, value):
    plan = ClientPlan(name="pro")
    plan.full_clean()
    setattr(plan, field, value)

    with pytest.raises(ValidationError) as raised:
        plan.full_clean()
    assert set(raised.value.message_dict) - {"__all__"} == {field}


def test_plan_of_the_database_takes_no_negative_rate():
    with pytest.raises(IntegrityError), transaction.atomic():
        ClientPlan.objects.create(name="pro", requests_per_s=-1)


@contextlib.contextmanager
def other_transaction(statement: str):
    """Run a statement in a transaction of another connection, open until the end."""
    with psycopg.connect(conninfo()) as other:
        other.execute(statement)
        yield
        other.rollback()
