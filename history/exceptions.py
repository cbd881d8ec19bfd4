"""Errors of this app, each with the stable code that clients see.

HistoryError
 +-- SymbolNotFound
 +-- InvalidTimeframe
 +-- MissingParameters
 +-- DatabaseUnavailable
"""

from collections.abc import Sequence


class HistoryError(Exception):
    """Base of all errors of the app; ``code`` is stable and goes to clients."""

    code = "INTERNAL_ERROR"


class SymbolNotFound(HistoryError):
    """Raised when nothing is stored for the symbol."""

    code = "SYMBOL_NOT_FOUND"

    def __init__(self, symbol: str, text: str = "") -> None:
        self.symbol = symbol
        super().__init__(text or f"Symbol '{symbol}' not found in database")


class InvalidTimeframe(HistoryError):
    """Raised when a timeframe is not one of those that are served."""

    code = "INVALID_TIMEFRAME"

    def __init__(self, text: str, served: Sequence[str]) -> None:
        self.text = text
        self.served = tuple(served)
        super().__init__(
            f"Invalid timeframe '{text:.20}'. Must be one of: {', '.join(served)}"
        )


class MissingParameters(HistoryError):
    """Raised when the path form of the candles lacks one end of the range."""

    code = "MISSING_PARAMETERS"

    def __init__(self) -> None:
        super().__init__(
            "Missing required query parameters: 'from' and 'to' "
            "(Unix timestamps in seconds)"
        )


class DatabaseUnavailable(HistoryError):
    """Raised when an answer needs the database and none is configured."""

    code = "DATABASE_ERROR"

    def __init__(self) -> None:
        super().__init__("No database is configured (DATABASE_URL)")
