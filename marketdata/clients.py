"""Who a client is to us, and what its plan allows (PROTOCOL section 5)."""

import msgspec


class Plan(msgspec.Struct, frozen=True):
    """What a client may do; ``brokers`` and ``symbols`` None allow all.

    ``requests_per_s`` with bursts of ``request_burst`` counts frames of one socket,
    ``rest_requests_per_min`` REST requests of all of a client's.
    """

    name: str = "anonymous"
    subscriptions: int = 50
    gateway_symbols: int = 5
    requests_per_s: float = 20.0
    request_burst: int = 100
    connections: int = 10
    since_days: int = 7
    brokers: frozenset[str] | None = None
    symbols: frozenset[str] | None = None
    is_conflated: bool = False
    rest_requests_per_min: int = 600

    def allows(self, broker: str, symbol: str) -> bool:
        """Return True if records of the broker's symbol may be sent to the client."""
        return (self.brokers is None or broker in self.brokers) and (
            self.symbols is None or symbol in self.symbols
        )


class Client(msgspec.Struct, frozen=True):
    """A client; ``id`` is empty and ``expires_s`` (Unix time) None for anonymous ones.

    ``is_required_to_auth`` is True for an anonymous client of a server that serves
    nobody else: until it says who it is, it may only say that.
    """

    id: str = ""
    plan: Plan = Plan()
    expires_s: float | None = None
    is_required_to_auth: bool = False
