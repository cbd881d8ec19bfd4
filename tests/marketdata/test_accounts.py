"""Who clients are; without a database, and with the real one."""

import asyncio
import time
from datetime import timedelta

import jwt
import msgspec
import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.utils import timezone

from marketdata import lookups, plan_table
from marketdata.account_store import DatabaseStore, make_api_key
from marketdata.accounts import AccountOptions, Accounts, ApiKeyFacts
from marketdata.clients import Client, Plan
from marketdata.credentials import encode_api_key, hash_api_key
from marketdata.exceptions import AuthFailed, AuthUnavailable, TokenExpired
from marketdata.models import ApiKey, ClientPlan
from marketdata.tokens import JwtKeys
from tests.marketdata.accounts import SECRET, FakeStore, make_accounts
from tests.marketdata.polling import until

KEY = encode_api_key(bytes(32))
PRO = Plan(name="pro", subscriptions=500)
NARROW = Plan(subscriptions=3)
OURS = {"origin": "https://md.example.com", "host": "md.example.com"}


def token(plan: str = "pro", seconds: float = 60, sub: str = "desk-7") -> str:
    claims = {"sub": sub, "plan": plan, "exp": int(time.time() + seconds)}
    return jwt.encode(claims, SECRET, "HS256")


@pytest.fixture
def store():
    """A store with two plans, a key and a staff user's session."""
    store = FakeStore({"pro": PRO, "anonymous": NARROW})
    store.api_keys[hash_api_key(KEY)] = ApiKeyFacts("desk", PRO)
    store.staff["abc"] = "anna"
    return store


# Anonymous clients


async def test_anonymous_has_the_defaults_until_the_plans_are_read(store):
    accounts = make_accounts(store)

    assert accounts.anonymous() == Client()
    await until(lambda: accounts.is_ready or accounts.anonymous() != Client())

    assert accounts.anonymous() == Client(plan=NARROW)


async def test_anonymous_asks_nothing_after_the_plans(store):
    accounts = make_accounts(store)
    await accounts.ready()

    clients = [accounts.anonymous() for _ in range(1000)]
    await asyncio.sleep(0)

    assert all(client is clients[0] for client in clients)
    assert store.asked == ["plans"]


async def test_anonymous_takes_what_the_settings_fix(store):
    accounts = make_accounts(store, anonymous={"requests_per_s": 0})
    await accounts.ready()

    assert accounts.anonymous().plan == msgspec.structs.replace(
        NARROW, requests_per_s=0
    )


async def test_anonymous_without_a_row_or_database_has_the_defaults():
    for store in (FakeStore({}), FakeStore(None)):
        accounts = make_accounts(store, is_auth_required=True)
        await accounts.ready()

        assert accounts.anonymous() == Client(is_required_to_auth=True)


# API keys


async def test_identify_by_key(store):
    client = await make_accounts(store).identify(KEY)

    assert client == Client("key:desk", PRO)


async def test_identify_by_an_unknown_key_fails(store):
    with pytest.raises(AuthFailed) as raised:
        await make_accounts(store).identify(encode_api_key(bytes(31) + b"1"))

    assert raised.value.reason == "no such key, or not active"
    assert str(raised.value) == "Invalid authentication"


@pytest.mark.parametrize("text", ["", "x", "mdk_short", "a.b", "\ud800", "x" * 100_000])
async def test_identify_by_any_text_fails_without_a_look(store, text):
    accounts = make_accounts(store)

    with pytest.raises(AuthFailed):
        await accounts.identify(text)
    assert store.asked == []


async def test_identify_by_a_key_that_expires_while_it_is_kept(store):
    facts = ApiKeyFacts("desk", PRO, expires_s=time.time() + 0.2)
    store.api_keys[hash_api_key(KEY)] = facts
    accounts = make_accounts(store)

    assert (await accounts.identify(KEY)).expires_s == facts.expires_s
    await until(lambda: time.time() > facts.expires_s)
    with pytest.raises(TokenExpired):
        await accounts.identify(KEY)
    assert store.asked == ["keys"]


async def test_identify_of_a_storm_asks_seldom(store):
    accounts = make_accounts(store)

    clients = await asyncio.gather(*(accounts.identify(KEY) for _ in range(5000)))

    assert {client.id for client in clients} == {"key:desk"}
    assert store.asked == ["keys"]


async def test_identify_while_the_database_is_away(store, monkeypatch):
    monkeypatch.setattr(lookups, "PAUSE_S", 0.0)
    accounts = make_accounts(store)
    await accounts.identify(KEY)
    store.is_away = True

    assert (await accounts.identify(KEY)).id == "key:desk"
    with pytest.raises(AuthUnavailable) as raised:
        await accounts.identify(encode_api_key(bytes(31) + b"1"))
    assert raised.value.code == "INTERNAL_ERROR"
    assert not isinstance(raised.value, AuthFailed)


# JWT


async def test_identify_by_token(store):
    text = token()

    client = await make_accounts(store).identify(text)

    assert (client.id, client.plan) == ("jwt:desk-7", PRO)
    assert client.expires_s == jwt.decode(text, SECRET, ["HS256"])["exp"]
    assert store.asked == ["plans"]


async def test_identify_by_an_expired_token_says_so(store):
    with pytest.raises(TokenExpired):
        await make_accounts(store).identify(token(seconds=-1))


async def test_identify_by_a_token_that_expires_while_it_is_remembered(store):
    accounts = make_accounts(store)
    text = token(seconds=1.5)  # in whole seconds: 0.5 to 1.5
    client = await accounts.identify(text)

    assert await accounts.identify(text) == client
    await until(lambda: time.time() >= client.expires_s)
    with pytest.raises(TokenExpired):
        await accounts.identify(text)


async def test_identify_by_a_token_of_an_unknown_plan_fails(store):
    with pytest.raises(AuthFailed) as raised:
        await make_accounts(store).identify(token("gold"))

    assert raised.value.reason == "there is no plan 'gold'"


async def test_identify_by_token_while_the_database_is_away_uses_what_is_known(store):
    accounts = make_accounts(store)
    await accounts.ready()
    store.is_away = True

    assert (await accounts.identify(token())).plan == PRO


async def test_identify_by_token_without_a_database_gives_the_least_plan(store):
    store.is_away = True
    for accounts in (make_accounts(store), make_accounts(FakeStore(None))):
        client = await accounts.identify(token())

        assert (client.id, client.plan) == ("jwt:desk-7", Plan())


async def test_identify_by_token_of_a_new_plan_during_an_outage(store, monkeypatch):
    monkeypatch.setattr(plan_table, "RETRY_S", 0.0)
    accounts = make_accounts(store)
    await accounts.ready()
    store.is_away = True

    assert (await accounts.identify(token("gold"))).plan == NARROW


# At connect, and staff


async def test_at_connect_takes_the_token_or_nobody(store):
    accounts = make_accounts(store)

    assert await accounts.at_connect({}, {}) == Client(plan=NARROW)
    assert (await accounts.at_connect({}, {"token": KEY})).id == "key:desk"
    headers = {"authorization": f"Bearer {token()}"}
    assert (await accounts.at_connect(headers, {})).id == "jwt:desk-7"
    with pytest.raises(AuthFailed):
        await accounts.at_connect({"x-api-key": ""}, {})


async def test_at_connect_knows_staff_on_a_page_of_ours(store):
    accounts = make_accounts(store, is_auth_required=True)
    headers = {**OURS, "cookie": "theme=dark; sessionid=abc"}

    client = await accounts.at_connect(headers, {})

    assert client == Client("staff:anna", Plan(name="staff", subscriptions=500))


async def test_staff_have_the_plan_of_that_name(store):
    store.plans["staff"] = Plan(name="staff", subscriptions=9)
    accounts = make_accounts(store)

    client = await accounts.at_connect({**OURS, "cookie": "sessionid=abc"}, {})

    assert client.plan.subscriptions == 9


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "https://evil.example.com"},
        {"origin": "null"},
        {"origin": None},
        {"cookie": "other=abc"},
        {"cookie": "sessionid=xyz"},
        {"cookie": ""},
        {"cookie": None},
        {"cookie": "\x00[=;;"},
    ],
    ids=str,
)
async def test_at_connect_is_anonymous_for_anybody_else(store, changes):
    headers = {**OURS, "cookie": "sessionid=abc", **changes}
    headers = {name: value for name, value in headers.items() if value is not None}

    assert (await make_accounts(store).at_connect(headers, {})).id == ""


async def test_at_connect_without_a_cookie_asks_for_no_session(store):
    await make_accounts(store).at_connect(OURS, {})

    assert store.asked == ["plans"]


async def test_staff_is_nobody_while_the_database_is_away(store):
    store.is_away = True
    headers = {**OURS, "cookie": "sessionid=abc"}

    assert (await make_accounts(store).at_connect(headers, {})).id == ""


# With the real database


@pytest.fixture
def accounts(transactional_db):
    """Accounts on the real database."""
    return Accounts(DatabaseStore(), AccountOptions(JwtKeys(SECRET)))


def add_key(name: str = "desk", **fields: object) -> str:
    plan, _ = ClientPlan.objects.get_or_create(name="pro", subscriptions=500)
    prefix, hashed, key = make_api_key()
    ApiKey.objects.create(
        name=name, plan=plan, prefix=prefix, hashed_key=hashed, **fields
    )
    return key


def test_identify_by_a_stored_key(accounts):
    key = add_key()

    assert asyncio.run(accounts.identify(key)) == Client("key:desk", PRO)


def test_identify_by_stored_keys_that_may_not_be_used(accounts):
    past = timezone.now() - timedelta(seconds=1)
    expired = add_key("old", expires=past)
    inactive = add_key("off", is_active=False)

    async def refusal(key: str) -> str:
        with pytest.raises(AuthFailed) as raised:
            await accounts.identify(key)
        return raised.value.reason

    assert asyncio.run(refusal(expired)) == "it has expired"
    assert asyncio.run(refusal(inactive)) == "no such key, or not active"


def test_identify_by_token_of_a_stored_plan(accounts):
    ClientPlan.objects.create(name="pro", subscriptions=500)

    assert asyncio.run(accounts.identify(token())).plan == PRO


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"is_staff": True}, "staff:anna"),
        ({"is_staff": False}, ""),
        ({"is_staff": True, "is_active": False}, ""),
    ],
)
def test_at_connect_knows_a_session_of_the_admin(accounts, fields, name):
    user = User.objects.create_user("anna", **fields)
    browser = Browser()
    browser.force_login(user)
    session = browser.cookies["sessionid"].value

    client = asyncio.run(
        accounts.at_connect({**OURS, "cookie": f"sessionid={session}"}, {})
    )

    assert client.id == name


def test_at_connect_does_not_know_a_session_that_has_ended(accounts):
    user = User.objects.create_user("anna", is_staff=True)
    browser = Browser()
    browser.force_login(user)
    headers = {**OURS, "cookie": f"sessionid={browser.cookies['sessionid'].value}"}
    browser.logout()

    assert asyncio.run(accounts.at_connect(headers, {})).id == ""
