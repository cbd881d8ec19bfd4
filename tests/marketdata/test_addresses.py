import pytest

from marketdata.addresses import UNKNOWN, AddressReader, ClientAddress


def test_read_gives_the_address():
    assert AddressReader([]).read("203.0.113.7", "") == ClientAddress("203.0.113.7")


def test_read_of_ipv6_gives_its_network():
    reader = AddressReader([])

    assert reader.read("2001:db8::1", "") == reader.read("2001:db8::ffff", "")
    assert reader.read("2001:db8:0:1::1", "").key == "2001:db8:0:1::/64"


def test_read_of_ipv4_in_ipv6_gives_the_ipv4_address():
    assert AddressReader([]).read("::ffff:203.0.113.7", "").key == "203.0.113.7"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
def test_read_tells_this_machine(address):
    assert AddressReader([]).read(address, "").is_loopback
    assert not AddressReader([]).read("10.0.0.5", "").is_loopback


@pytest.mark.parametrize("trusted", ["10.0.0.5", "10.0.0.0/8"])
def test_read_behind_a_trusted_proxy_gives_the_real_ip(trusted):
    reader = AddressReader([trusted])

    assert reader.read("10.0.0.5", "203.0.113.7").key == "203.0.113.7"
    assert reader.read("10.0.0.5", "").key == "10.0.0.5"
    assert reader.read("10.0.0.5", "nonsense").key == "10.0.0.5"


def test_read_believes_no_real_ip_of_anybody_else():
    reader = AddressReader(["10.0.0.5"])

    assert reader.read("203.0.113.9", "127.0.0.1") == ClientAddress("203.0.113.9")


def test_read_without_address_is_unknown():
    assert AddressReader([]).read("", "") == UNKNOWN


def test_trusted_proxy_that_is_no_address_is_refused_at_once():
    with pytest.raises(ValueError, match="nonsense"):
        AddressReader(["nonsense"])


def test_of_scope_reads_peer_and_header():
    reader = AddressReader(["10.0.0.5"])
    headers = [(b"host", b"x"), (b"x-real-ip", b"203.0.113.7")]

    assert reader.of_scope({"client": ["10.0.0.5", 1], "headers": headers}) == (
        ClientAddress("203.0.113.7")
    )
    assert reader.of_scope({"client": None, "headers": []}) == UNKNOWN
    assert reader.of_scope({"headers": []}) == UNKNOWN
