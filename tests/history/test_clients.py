import pytest

from history.clients import Client, Clients
from history.exceptions import DatabaseUnavailable
from marketdata.accounts import ApiKeyFacts
from marketdata.addresses import AddressReader
from marketdata.clients import Plan
from marketdata.credentials import encode_api_key, hash_api_key
from marketdata.exceptions import AuthFailed
from tests.marketdata.accounts import FakeStore, make_accounts

KEY = encode_api_key(bytes(32))
PRO = Plan(name="pro", rest_requests_per_min=6000)
HOME = "203.0.113.7"


@pytest.fixture
def store():
    """A store with a plan and a key."""
    store = FakeStore({"pro": PRO})
    store.api_keys[hash_api_key(KEY)] = ApiKeyFacts("desk", PRO)
    return store


def clients(store: FakeStore | None = None, **settings: object) -> Clients:
    """Return what tells clients apart."""
    proxies = settings.pop("trusted_proxies", [])
    return Clients(
        make_accounts(store),
        AddressReader(proxies),
        **{"limits_loopback": False, **settings},
    )


async def test_client_that_shows_nothing_is_its_address():
    assert await clients()(HOME, {}) == Client(HOME, 600)


async def test_client_that_shows_nothing_costs_no_look_up(store):
    identify = clients(store)

    for number in range(100):
        await identify(f"203.0.113.{number}", {})

    assert store.asked == ["plans"]


async def test_client_that_shows_nothing_has_the_limit_of_its_plan(store):
    store.plans["anonymous"] = Plan(rest_requests_per_min=5)

    assert (await clients(store)(HOME, {})).requests_per_min == 5


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
async def test_client_on_this_machine_has_no_limit_unless_configured(address):
    assert (await clients()(address, {})).requests_per_min == 0
    bound = clients(limits_loopback=True)
    assert (await bound(address, {})).requests_per_min == 600


async def test_client_has_no_limit_where_limits_are_off(store):
    identify = clients(store, is_limited=False)

    assert (await identify(HOME, {})).requests_per_min == 0
    assert (await identify(HOME, {"x-api-key": KEY})).requests_per_min == 0


async def test_client_behind_a_trusted_proxy_is_its_real_ip():
    identify = clients(trusted_proxies=["10.0.0.0/8"])

    assert (await identify("10.0.0.5", {"x-real-ip": HOME})).key == HOME
    assert (await identify(HOME, {"x-real-ip": "127.0.0.1"})) == Client(HOME, 600)


async def test_client_without_address_is_limited():
    assert await clients()("", {}) == Client("unknown", 600)


async def test_client_with_a_key_has_its_plan(store):
    expected = Client("key:desk", 6000, PRO, is_anonymous=False)

    assert await clients(store)(HOME, {"x-api-key": KEY}) == expected
    bearer = {"authorization": f"Bearer {KEY}"}
    assert await clients(store)("203.0.113.8", bearer) == expected


async def test_client_with_a_wrong_key_counts_by_its_address(store):
    client = await clients(store)(HOME, {"x-api-key": "wrong"})

    assert (client.key, client.requests_per_min, client.is_anonymous) == (
        HOME,
        600,
        True,
    )
    assert isinstance(client.refusal, AuthFailed)


async def test_client_whose_key_cannot_be_checked_is_told_so(store):
    store.is_away = True

    client = await clients(store)(HOME, {"x-api-key": KEY})

    assert isinstance(client.refusal, DatabaseUnavailable)
    assert str(client.refusal) == "the key cannot be checked now, try again"
