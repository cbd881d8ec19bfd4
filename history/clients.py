"""Who asks: the address behind trusted proxies, and the limit that applies to it.

API keys and plans come with the accounts; they replace ``AnonymousClients`` by another
callable of the same shape.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import msgspec

# A household gets 2**64 addresses, so the network counts as one client.
_IPV6_CLIENT_BITS = 64
ANONYMOUS = "anonymous"


class Client(msgspec.Struct, frozen=True):
    """Whose requests count together, and how many a minute there may be; 0: any."""

    key: str
    requests_per_min: int
    plan: str = ANONYMOUS


class AnonymousClients:
    """Tells clients apart by address and gives all of them the same plan.

    Raises:
        ValueError: a trusted proxy is neither an address nor a network.
    """

    def __init__(
        self,
        *,
        requests_per_min: int,
        trusted_proxies: Sequence[str],
        limits_loopback: bool,
    ) -> None:
        self._requests_per_min = requests_per_min
        self._limits_loopback = limits_loopback
        self._proxies = [ip_network(item, strict=False) for item in trusted_proxies]
        self._identify = lru_cache(maxsize=4096)(self._identify_address)

    def __call__(self, peer: str, headers: Mapping[str, str]) -> Client:
        """Return the client behind a connection from ``peer``.

        The peer's `X-Real-IP` is believed if the peer is a trusted proxy.
        """
        return self._identify(peer, headers.get("X-Real-IP", ""))

    def _identify_address(self, peer: str, real_ip: str) -> Client:
        address = _parse(peer)
        if address is not None and any(address in item for item in self._proxies):
            address = _parse(real_ip.strip()) or address
        if address is None:  # a Unix socket: a proxy that is not named as trusted
            return Client("unknown", self._requests_per_min)
        if address.is_loopback and not self._limits_loopback:
            return Client(str(address), 0)
        return Client(_key(address), self._requests_per_min)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _key(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address), _IPV6_CLIENT_BITS), strict=False))
