import pytest

from history.clients import AnonymousClients, Client


def clients(**settings):
    defaults = {
        "requests_per_min": 600,
        "trusted_proxies": [],
        "limits_loopback": False,
    }
    return AnonymousClients(**{**defaults, **settings})


def test_client_is_its_address():
    assert clients()("203.0.113.7", {}) == Client("203.0.113.7", 600)


def test_client_of_ipv6_is_its_network():
    identify = clients()

    assert identify("2001:db8::1", {}) == identify("2001:db8::ffff", {})
    assert identify("2001:db8:0:1::1", {}).key == "2001:db8:0:1::/64"


def test_client_of_ipv4_in_ipv6_is_the_ipv4_address():
    assert clients()("::ffff:203.0.113.7", {}).key == "203.0.113.7"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
def test_client_on_this_machine_has_no_limit_unless_configured(address):
    assert clients()(address, {}).requests_per_min == 0
    assert clients(limits_loopback=True)(address, {}).requests_per_min == 600


@pytest.mark.parametrize("trusted", ["10.0.0.5", "10.0.0.0/8"])
def test_client_behind_a_trusted_proxy_is_its_real_ip(trusted):
    identify = clients(trusted_proxies=[trusted])

    assert identify("10.0.0.5", {"X-Real-IP": "203.0.113.7"}).key == "203.0.113.7"
    assert identify("10.0.0.5", {}).key == "10.0.0.5"
    assert identify("10.0.0.5", {"X-Real-IP": "nonsense"}).key == "10.0.0.5"


def test_real_ip_of_anybody_else_is_not_believed():
    spoofed = clients(trusted_proxies=["10.0.0.5"])(
        "203.0.113.9", {"X-Real-IP": "127.0.0.1"}
    )

    assert spoofed == Client("203.0.113.9", 600)


def test_client_without_address_is_limited():
    assert clients()("", {}) == Client("unknown", 600)


def test_trusted_proxy_that_is_no_address_is_refused_at_once():
    with pytest.raises(ValueError, match="nonsense"):
        clients(trusted_proxies=["nonsense"])
