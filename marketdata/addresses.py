"""Which address a client has, behind trusted proxies or not: for REST and WebSocket."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import msgspec

# A household gets 2**64 addresses, so the network counts as one client.
_IPV6_CLIENT_BITS = 64
_REAL_IP = b"x-real-ip"


class ClientAddress(msgspec.Struct, frozen=True):
    """An address as limits see it; clients with the same ``key`` count together."""

    key: str
    is_loopback: bool = False


# A Unix socket: of a proxy, which cannot be named as trusted.
UNKNOWN = ClientAddress("unknown")


class AddressReader:
    """Tells clients apart by address.

    Args:
        trusted_proxies: addresses and networks whose `X-Real-IP` is believed.

    Raises:
        ValueError: one of them is neither an address nor a network.
    """

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._proxies = [ip_network(item, strict=False) for item in trusted_proxies]
        # Given a peer's address and its `X-Real-IP`, "" if it sent none.
        self.read = lru_cache(maxsize=4096)(self._read)

    def of_scope(self, scope: Mapping[str, Any]) -> ClientAddress:
        """Return the address of an ASGI connection."""
        peer = scope.get("client") or ("",)
        real_ip = next((v for k, v in scope["headers"] if k == _REAL_IP), b"")
        return self.read(peer[0] or "", real_ip.decode("latin1"))

    def _read(self, peer: str, real_ip: str = "") -> ClientAddress:
        address = _parse(peer)
        if address is not None and any(address in item for item in self._proxies):
            address = _parse(real_ip.strip()) or address
        if address is None:
            return UNKNOWN
        return ClientAddress(_key(address), address.is_loopback)


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
