"""COMPAT checks 32 and 33: limits per client and minute, and web pages of others."""

import pytest
import redis

from history.clients import Clients
from history.rate_limits import RateLimiter
from marketdata.addresses import AddressReader
from tests.marketdata.accounts import make_accounts
from tests.rest_client import RestClient

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "/api/metadata"


@pytest.fixture(autouse=True)
def no_counts(settings):
    """Forget what earlier tests counted."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for key in client.scan_iter(f"{settings.CHANNEL_PREFIX}:rest:*"):
            client.delete(key)


@pytest.fixture
def limited(rest):
    """A client on this machine that may ask three times."""
    rest.services.identify = identify()
    return rest


def identify(
    requests_per_min: int = 3, trusted_proxies=(), *, limits_loopback: bool = True
) -> Clients:
    accounts = make_accounts(anonymous={"rest_requests_per_min": requests_per_min})
    addresses = AddressReader(trusted_proxies)
    return Clients(accounts, addresses, limits_loopback=limits_loopback)


def test_compat_check_32_one_request_too_many_is_refused(limited):
    answers = [limited.get(ADDRESS) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    remaining = [answer.headers["RateLimit-Remaining"] for answer in answers]
    assert remaining == ["2", "1", "0", "0"]
    refused = answers[-1]
    assert refused.json() == {
        "error": "Too many requests from this IP, please try again later",
        "code": "RATE_LIMIT_EXCEEDED",
    }
    assert refused.headers["RateLimit-Limit"] == "3"
    assert refused.headers["RateLimit-Policy"] == "3;w=60"
    assert 0 < int(refused.headers["RateLimit-Reset"]) <= 60
    assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"]


def test_compat_check_32_candles_have_server_a_text(limited):
    for _ in range(4):
        answer = limited.get("/api/candles")

    assert answer.json()["error"] == (
        "Too many data requests from this IP, please try again later"
    )


def test_compat_check_32_processes_share_the_count(limited):
    other = RestClient()
    other.services.identify = identify()
    try:
        statuses = [
            client.get(ADDRESS).status_code
            for client in (limited, other, limited, other)
        ]
    finally:
        other.close()

    assert statuses == [200, 200, 200, 429]


def test_compat_check_32_this_machine_has_no_limit_by_default(rest):
    rest.services.identify = identify(limits_loopback=False)

    answers = [rest.get(ADDRESS) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit-Limit" not in answers[0].headers


def test_compat_check_32_limit_can_be_switched_off(rest):
    rest.services.identify = identify(requests_per_min=0)

    assert {rest.get(ADDRESS).status_code for _ in range(5)} == {200}


def test_errors_count_and_say_what_is_left(limited):
    answer = limited.get("/api/candles?symbol=")

    assert (answer.status_code, answer.headers["RateLimit-Remaining"]) == (400, "2")


def test_health_and_metrics_are_not_counted(limited):
    for _ in range(4):
        limited.get(ADDRESS)

    assert limited.get("/health").status_code == 200
    assert limited.get("/metrics").status_code == 200


def test_clients_behind_a_trusted_proxy_are_told_apart(rest):
    rest.services.identify = identify(trusted_proxies=["127.0.0.1"])

    statuses = [
        rest.get(ADDRESS, X_Real_IP=f"203.0.113.{number}").status_code
        for number in (1, 1, 1, 1, 2)
    ]

    assert statuses == [200, 200, 200, 429, 200]


def test_without_redis_nobody_is_refused(limited):
    limited.services.limiter = RateLimiter("redis://127.0.0.1:1/0", "nowhere")

    answers = [limited.get(ADDRESS) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit-Limit" not in answers[0].headers


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "https://charts.example.com"]
)
def test_compat_check_33_allowed_origin_may_read(rest, origin):
    rest.services.allowed_origins = ["http://localhost:3000", "https://*.example.com"]

    answer = rest.get(ADDRESS, Origin=origin)

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"


@pytest.mark.parametrize("address", [ADDRESS, "/api/candles"])
def test_compat_check_33_refused_origin_has_no_allow_header(rest, address):
    answer = rest.get(address, Origin="https://evil.com")

    assert answer.status_code in (200, 400)
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


def test_compat_check_33_program_without_origin_is_served(rest):
    answer = rest.get(ADDRESS)

    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_compat_check_33_errors_may_be_read_too(limited):
    limited.services.allowed_origins = ["http://localhost:3000"]

    for _ in range(4):
        answer = limited.get("/api/candles", Origin="http://localhost:3000")

    assert answer.status_code == 429
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"


def test_compat_check_33_preflight_is_204_and_not_counted(limited):
    limited.services.allowed_origins = ["http://localhost:3000"]
    asked = {
        "Origin": "http://localhost:3000",
        "Access_Control_Request_Method": "GET",
        "Access_Control_Request_Headers": "authorization",
    }

    for _ in range(5):
        answer = limited.request("OPTIONS", "/api/candles", **asked)

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
    assert answer.headers["Access-Control-Allow-Headers"].startswith("Content-Type")


def test_compat_check_33_preflight_of_a_refused_origin_allows_nothing(rest):
    answer = rest.request(
        "OPTIONS",
        "/api/candles",
        Origin="https://evil.com",
        Access_Control_Request_Method="GET",
    )

    assert answer.status_code == 204
    assert not [name for name in answer.headers if name.startswith("access-control")]
