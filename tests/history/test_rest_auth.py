"""Keys, tokens and plans on REST; what they allow, and what they cost."""

import time

import jwt
import pytest
import redis

from history.clients import Clients
from history.models import Series
from marketdata.account_store import DatabaseStore, make_api_key
from marketdata.accounts import AccountOptions, Accounts
from marketdata.addresses import AddressReader
from marketdata.models import ApiKey, ClientPlan
from marketdata.tokens import JwtKeys
from tests.history.factories import T0, store_quotes
from tests.marketdata.accounts import FakeStore, make_accounts

pytestmark = pytest.mark.django_db(transaction=True)

CANDLES = f"/api/candles?symbol=EURUSD&timeframe=1m&from={T0}&to={T0 + 120}"
METADATA = "/api/metadata?symbol=EURUSD"
INVALID = {"error": "Invalid authentication", "code": "INVALID_AUTH"}
SECRET = "s" * 32


@pytest.fixture(autouse=True)
def no_counts(settings):
    """Take tokens, limit this machine, and forget what earlier tests counted."""
    settings.JWT_SECRET = SECRET
    settings.RATE_LIMIT_LOOPBACK = True
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for key in client.scan_iter(f"{settings.CHANNEL_PREFIX}:rest:*"):
            client.delete(key)


def make_key(name: str = "desk", **plan: object) -> str:
    prefix, hashed, key = make_api_key()
    row, _ = ClientPlan.objects.update_or_create(name="pro", defaults=plan)
    ApiKey.objects.create(name=name, plan=row, prefix=prefix, hashed_key=hashed)
    return key


def make_token(plan: str = "pro", seconds: float = 60) -> str:
    claims = {"sub": "desk-7", "plan": plan, "exp": int(time.time() + seconds)}
    return jwt.encode(claims, SECRET, "HS256")


def quotes() -> list[tuple[int, float, float]]:
    return [(T0 + 20 * number, 1.1, 1.2) for number in range(12)]


def test_key_counts_for_itself_and_by_its_plan(rest):
    key = make_key(rest_requests_per_min=2)

    answers = [rest.get("/api/metadata", X_API_Key=key) for _ in range(3)]
    other = rest.get("/api/metadata")

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["RateLimit-Limit"] == "2"
    assert (other.status_code, other.headers["RateLimit-Limit"]) == (200, "600")
    assert other.headers["RateLimit-Remaining"] == "599"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_token_has_its_plan(rest, scheme):
    ClientPlan.objects.create(name="pro", rest_requests_per_min=77)

    answer = rest.get("/api/metadata", Authorization=f"{scheme} {make_token()}")

    assert (answer.status_code, answer.headers["RateLimit-Limit"]) == (200, "77")


@pytest.mark.parametrize("address", [CANDLES, "/api/metadata", "/api/nothing"])
def test_wrong_credentials_are_refused_in_the_one_shape(rest, address):
    ClientPlan.objects.create(name="pro")
    expired, foreign = make_token(seconds=-1), make_token("gold")

    for headers in (
        {"X_API_Key": "wrong"},
        {"X_API_Key": make_api_key()[2]},
        {"X_API_Key": ""},
        {"Authorization": f"Bearer {expired}"},
        {"Authorization": f"Bearer {foreign}"},
        {"Authorization": "Bearer"},
    ):
        answer = rest.get(address, **headers)

        if address == "/api/nothing":
            assert answer.status_code == 404
            continue
        assert (answer.status_code, answer.json()) == (401, INVALID)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_wrong_credentials_count_for_their_address(rest):
    accounts = make_accounts(FakeStore({}), anonymous={"rest_requests_per_min": 2})
    rest.services.identify = Clients(
        accounts, AddressReader(["127.0.0.1"]), limits_loopback=False
    )

    answers = [
        rest.get("/api/metadata", X_API_Key="wrong", X_Real_IP="203.0.113.7")
        for _ in range(3)
    ]

    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[0].headers["RateLimit-Remaining"] == "1"


def test_other_schemes_are_not_ours(rest):
    assert rest.get("/api/metadata", Authorization="Basic dTpw").status_code == 200


def test_token_in_the_address_is_no_credential(rest):
    answer = rest.get("/api/metadata?token=wrong")

    assert answer.status_code == 200


def test_wrong_credentials_on_the_datafeed_have_its_shape(rest):
    answer = rest.get("/udf/time", X_API_Key="wrong")

    assert answer.status_code == 401
    assert answer.json() == {"s": "error", "errmsg": "Invalid authentication"}


def test_probers_are_not_asked_who_they_are(rest):
    assert rest.get("/health", X_API_Key="wrong").status_code == 200


def test_request_without_credentials_asks_nothing_of_who_it_is(rest):
    store = CountingStore()
    accounts = Accounts(store, AccountOptions(JwtKeys()))
    rest.services.identify = Clients(accounts, AddressReader([]), limits_loopback=True)

    answers = [rest.get("/api/metadata") for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert rest.statements == 20
    assert store.asked == ["plans"]  # once, for all of them

    rest.get("/api/metadata", X_API_Key=make_key())
    assert store.asked == ["plans", "keys"]


class CountingStore(DatabaseStore):
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.asked = []

    def select_plans(self):
        self.asked.append("plans")
        return super().select_plans()

    def select_api_keys(self, hashes):
        self.asked.append("keys")
        return super().select_api_keys(hashes)


@pytest.mark.parametrize(
    "address",
    [
        CANDLES,
        CANDLES + "&broker=dukascopy",
        f"/api/candles/EURUSD/1m?from={T0}&to={T0 + 120}",
        f"/api/ticks?symbol=EURUSD&from={T0}",
        METADATA,
        "/api/metadata/EURUSD",
        f"/api/coverage?symbol=EURUSD&from={T0}&to={T0 + 120}",
        "/udf/symbols?symbol=EURUSD",
        f"/udf/history?symbol=EURUSD&resolution=1&from={T0}&to={T0 + 120}",
    ],
)
@pytest.mark.parametrize(
    "plan", [{"symbols": ["GBPUSD"]}, {"brokers": ["oanda", "binance"]}], ids=str
)
def test_what_a_plan_does_not_allow_is_forbidden(rest, address, plan):
    store_quotes(quotes())
    key = make_key(**plan)

    answer = rest.get(address, X_API_Key=key)

    text = "plan 'pro' does not allow EURUSD"
    assert answer.status_code == 403
    if address.startswith("/udf"):
        assert answer.json() == {"s": "error", "errmsg": text}
    else:
        assert answer.json() == {"error": text, "code": "FORBIDDEN"}
    assert rest.get(address).status_code == 200


def test_what_a_plan_allows_is_answered(rest):
    store_quotes(quotes())
    key = make_key(symbols=["EURUSD"], brokers=["dukascopy"])

    answer = rest.get(CANDLES, X_API_Key=key)

    assert answer.status_code == 200
    assert len(answer.json()) == 3


def test_series_that_answers_is_one_that_the_plan_allows(rest):
    store_quotes(quotes())
    store_quotes(quotes()[:6], broker="oanda")
    key = make_key(brokers=["oanda"])

    assert rest.get(CANDLES).headers["X-Broker"] == "dukascopy"
    assert rest.get(CANDLES, X_API_Key=key).headers["X-Broker"] == "oanda"
    named = rest.get(CANDLES + "&broker=dukascopy", X_API_Key=key)
    assert named.status_code == 403
    assert Series.objects.count() == 2


def test_lists_leave_out_what_a_plan_does_not_allow(rest):
    store_quotes(quotes())
    store_quotes(quotes(), symbol="GBPUSD")
    key = make_key(symbols=["GBPUSD"])

    listed = rest.get("/api/metadata", X_API_Key=key).json()["symbols"]
    symbols = rest.get("/api/symbols", X_API_Key=key).json()
    found = rest.get("/udf/search?query=USD", X_API_Key=key).json()

    assert [item["symbol"] for item in listed] == ["GBPUSD"]
    assert [item["symbol"] for item in symbols] == ["GBPUSD"]
    assert [item["symbol"] for item in found] == ["GBPUSD"]
    assert len(rest.get("/api/metadata").json()["symbols"]) == 2


def test_answers_to_known_clients_are_not_for_shared_caches(rest):
    store_quotes(quotes())
    key = make_key()
    address = f"/api/candles?symbol=EURUSD&timeframe=1m&from={T0}&to={T0 + 60}"

    assert rest.get(address).headers["Cache-Control"] == "public, max-age=60"
    known = rest.get(address, X_API_Key=key)
    assert known.headers["Cache-Control"] == "private, max-age=60"


def test_key_that_cannot_be_checked_is_no_wrong_key(rest):
    store = FakeStore({})
    store.is_away = True
    rest.services.identify = Clients(
        make_accounts(store), AddressReader([]), limits_loopback=False
    )

    answer = rest.get("/api/metadata", X_API_Key=make_api_key()[2])

    assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_ERROR")


def test_page_for_people_takes_credentials(rest):
    answer = rest.get("/api/metadata", Accept="text/html", X_API_Key="wrong")

    assert answer.status_code == 401
    assert b"Invalid authentication" in answer.content
