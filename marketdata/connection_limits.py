"""How many connections there may be: of the process, an address, a client.

Numbers of this process alone: with n web processes there may be n times as many.
"""

from collections import Counter, OrderedDict

import msgspec

from marketdata.addresses import ClientAddress
from marketdata.clients import Client
from marketdata.exceptions import TooManyConnections
from marketdata.request_limits import TokenBucket

# Addresses whose attempts are remembered, some 200 bytes each. More than that many
# within seconds is no single client's doing; the one seen longest ago is forgotten.
MAX_ADDRESSES = 10_000


class Caps(msgspec.Struct, frozen=True):
    """The limits; 0: none. Clients of this machine have none of an address."""

    total: int = 10_000
    per_address: int = 100
    attempts_per_s: float = 20.0
    attempt_burst: int = 100
    limits_loopback: bool = False


class ConnectionLimits:
    """Counts the sockets of a process."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self.total = 0
        self.by_address: Counter[str] = Counter()
        self.by_client: Counter[str] = Counter()
        self._attempts: OrderedDict[str, TokenBucket] = OrderedDict()

    def admits(self, address: ClientAddress, now_s: float) -> bool:
        """Count an attempt to connect; False: answer HTTP 429."""
        if not self._caps.attempts_per_s or not self._binds(address):
            return True
        bucket = self._attempts.get(address.key)
        if bucket is None:
            bucket = TokenBucket(self._caps.attempts_per_s, self._caps.attempt_burst)
            self._attempts[address.key] = bucket
            if len(self._attempts) > MAX_ADDRESSES:
                self._attempts.popitem(last=False)
        else:
            self._attempts.move_to_end(address.key)
        return bucket.take(now_s)

    def enter(self, address: ClientAddress, client: Client) -> "Place":
        """Return the place of a new socket, to be left when that closes.

        Raises:
            TooManyConnections: there is none; close with 4503.
        """
        caps = self._caps
        if caps.total and self.total >= caps.total:
            raise TooManyConnections(caps.total, "of this server")
        key = address.key if self._binds(address) else ""
        if key and caps.per_address and self.by_address[key] >= caps.per_address:
            raise TooManyConnections(caps.per_address, "of one address")
        self.take_client(client)
        self.total += 1
        if key:
            self.by_address[key] += 1
        return Place(self, key, client.id)

    def take_client(self, client: Client) -> None:
        """Count a socket of a client; only its address binds an anonymous one.

        Raises:
            TooManyConnections: its plan allows no more.
        """
        if not client.id:
            return
        limit = client.plan.connections
        if limit and self.by_client[client.id] >= limit:
            raise TooManyConnections(limit, f"by plan {client.plan.name!r}")
        self.by_client[client.id] += 1

    def _binds(self, address: ClientAddress) -> bool:
        return self._caps.limits_loopback or not address.is_loopback


class Place:
    """What one socket takes of the limits, until it leaves."""

    __slots__ = ("_address", "_client", "_is_taken", "_limits")

    def __init__(self, limits: ConnectionLimits, address: str, client: str) -> None:
        self._limits = limits
        self._address = address
        self._client = client
        self._is_taken = True

    def move_to(self, client: Client) -> None:
        """Count the socket to another client: it has said who it is.

        Raises:
            TooManyConnections: that client has enough; the place stays what it was.
        """
        if not self._is_taken or client.id == self._client:
            return
        self._limits.take_client(client)
        _drop(self._limits.by_client, self._client)
        self._client = client.id

    def leave(self) -> None:
        """Give the place back; a second time does nothing."""
        if not self._is_taken:
            return
        self._is_taken = False
        self._limits.total -= 1
        _drop(self._limits.by_address, self._address)
        _drop(self._limits.by_client, self._client)


def _drop(counts: Counter[str], key: str) -> None:
    """Count one less, and keep no zeros: keys come from outside."""
    if not key:
        return
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
