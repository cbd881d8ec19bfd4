import pytest

from brokers.exceptions import InvalidCredentials, InvalidFeedSetting
from brokers.oanda.access import Access, access_of, base_address, client_access

LIVE = "https://stream-fxtrade.oanda.com"
PRACTICE = "https://stream-fxpractice.oanda.com"


@pytest.mark.parametrize(
    ("url", "environment", "address"),
    [
        ("", "", PRACTICE),
        ("", "practice", PRACTICE),
        ("", "live", LIVE),
        ("http://127.0.0.1:1/", "live", "http://127.0.0.1:1"),
    ],
)
def test_base_address_is_the_url_or_the_environments(
    url: str, environment: str, address: str
) -> None:
    assert base_address(url, environment) == address


@pytest.mark.parametrize(
    ("url", "environment", "text"),
    [
        ("", "demo", "OANDA_ENVIRONMENT: expected practice or live, found 'demo'"),
        ("ws://host", "", "OANDA_URL: expected an address that begins with http:// or"),
        ("https://", "", "OANDA_URL"),
    ],
)
def test_base_address_unusable_setting_is_refused(
    url: str, environment: str, text: str
) -> None:
    with pytest.raises(InvalidFeedSetting, match=text):
        base_address(url, environment)


def test_stream_address_quotes_what_could_lead_elsewhere() -> None:
    access = Access("http://h", "../a?b", "k")

    assert access.stream_address(["EUR_USD", "X&y"]) == (
        "http://h/v3/accounts/..%2Fa%3Fb/pricing/stream?instruments=EUR_USD,X%26y"
    )


def test_client_access_chooses_the_host_by_environment() -> None:
    credentials = {"apiKey": "k", "accountId": "1"}

    assert client_access("http://h", credentials) == Access("http://h", "1", "k")
    for name, address in (("live", LIVE), ("practice", PRACTICE)):
        chosen = client_access("http://h", credentials | {"environment": name})
        assert chosen == Access(address, "1", "k")


def test_access_of_error_says_nothing_of_the_value() -> None:
    with pytest.raises(InvalidCredentials) as raised:
        access_of("http://h", "1", "se cret")

    assert str(raised.value) == "OANDA API key has characters that no API key has"
