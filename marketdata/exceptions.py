"""Errors of this app, each with the stable code that clients see.

MarketDataError
 +-- InvalidSymbol
 +-- UnknownSymbol
 +-- UnknownBroker
 +-- NoBroker
 +-- InvalidLayerMessage
 +-- InvalidMessage
 |    +-- UnknownAction
 +-- InvalidField
 +-- UnsupportedType
 +-- UnsupportedSince
 +-- SubscriptionLimit
 +-- AuthFailed
 |    +-- TokenExpired
 +-- AuthUnavailable
 +-- AuthRequired
 +-- Forbidden
 +-- TooManyConnections
 +-- RateLimited
 +-- BrokerAuthFailed
 +-- HistoryUnavailable
"""


class MarketDataError(Exception):
    """Base of all errors of the app; ``code`` is stable and goes to clients."""

    code = "INTERNAL_ERROR"


class InvalidSymbol(MarketDataError):
    """Raised when a text cannot be a symbol in any spelling."""

    code = "INVALID_FIELD"

    def __init__(self, text: object) -> None:
        self.text = text
        super().__init__(
            "expected a symbol of 1 to 20 letters, digits, '/', '_', '.' or '-', "
            f"found {text!r:.60}"
        )


class UnknownSymbol(MarketDataError):
    """Raised when no instrument has the symbol."""

    code = "UNKNOWN_SYMBOL"

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        super().__init__(f"no instrument has the symbol {symbol!r}")


class UnknownBroker(MarketDataError):
    """Raised when no broker has the name."""

    code = "UNKNOWN_BROKER"

    def __init__(self, name: str, known: list[str]) -> None:
        self.name = name
        super().__init__(
            f"expected one of {', '.join(known)}, found broker {name!r:.60}"
        )


class NoBroker(MarketDataError):
    """Raised when no broker carries the instrument and none was named."""

    code = "NO_BROKER"

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        super().__init__(f"no enabled broker carries {symbol}")


class InvalidLayerMessage(MarketDataError):
    """Raised when a message of the channel layer is not one of ours."""

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(f"expected a message of records, found {found:.200}")


class InvalidMessage(MarketDataError):
    """Raised when a client's frame is not a request at all."""

    code = "INVALID_MESSAGE"

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(
            f"Invalid message format: expected {expected}, found {found:.80}"
        )


class UnknownAction(InvalidMessage):
    """Raised when a request names an action that we do not have."""

    code = "UNKNOWN_ACTION"


class InvalidField(MarketDataError):
    """Raised when a field of a request has the wrong type or value."""

    code = "INVALID_FIELD"

    def __init__(self, field: str, expected: str, found: str) -> None:
        self.field = field
        super().__init__(f"{field}: expected {expected}, found {found:.80}")


class UnsupportedType(MarketDataError):
    """Raised when records of the type are not served."""

    code = "UNSUPPORTED_TYPE"


class UnsupportedSince(MarketDataError):
    """Raised when a subscription cannot start in the past."""

    code = "UNSUPPORTED_SINCE"


class SubscriptionLimit(MarketDataError):
    """Raised when a session would follow more topics than it may."""

    code = "SUBSCRIPTION_LIMIT"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"expected at most {limit} subscriptions")


class AuthFailed(MarketDataError):
    """Raised when a client's key or token is missing or not accepted.

    The text is server A's for all of them; ``reason`` holds nothing of the token.
    """

    code = "INVALID_AUTH"

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        super().__init__("Invalid authentication")


class TokenExpired(AuthFailed):
    """Raised when a key or token was good once; close with 4005, not 4500."""

    def __init__(self) -> None:
        super().__init__("it has expired")


class AuthUnavailable(MarketDataError):
    """Raised when a key cannot be checked now; close with 4001: it may be good."""

    def __init__(self) -> None:
        super().__init__("the key cannot be checked now, try again")


class AuthRequired(MarketDataError):
    """Raised when a client must say who it is before it asks for anything."""

    code = "AUTH_REQUIRED"


class Forbidden(MarketDataError):
    """Raised when a client's plan does not allow what it asks for."""

    code = "FORBIDDEN"


class TooManyConnections(MarketDataError):
    """Raised when a client may open no more connections; close with 4503."""

    code = "RATE_LIMITED"

    def __init__(self, limit: int, whose: str) -> None:
        self.limit = limit
        super().__init__(f"expected at most {limit} connections {whose}")


class RateLimited(MarketDataError):
    """Raised when a client asks for more at once than we keep for it."""

    code = "RATE_LIMITED"


class BrokerAuthFailed(MarketDataError):
    """Raised when a private feed cannot be opened with a client's credentials."""

    code = "BROKER_AUTH_FAILED"


class HistoryUnavailable(MarketDataError):
    """Raised when stored records cannot be read now."""
