"""Errors of this app, each with the stable code that clients see.

MarketDataError
 +-- InvalidSymbol
 +-- UnknownSymbol
 +-- UnknownBroker
 +-- NoBroker
 +-- InvalidTopic
 +-- InvalidLayerMessage
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
        super().__init__(f"expected one of {', '.join(known)}, found broker {name!r}")


class NoBroker(MarketDataError):
    """Raised when no broker carries the instrument and none was named."""

    code = "NO_BROKER"

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        super().__init__(f"no enabled broker carries {symbol}")


class InvalidTopic(MarketDataError):
    """Raised when a group name is not the name of a topic."""

    def __init__(self, group: str) -> None:
        self.group = group
        super().__init__(f"expected a topic's group name, found {group!r:.120}")


class InvalidLayerMessage(MarketDataError):
    """Raised when a message of the channel layer is not one of ours."""

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(f"expected a message of records, found {found:.200}")
