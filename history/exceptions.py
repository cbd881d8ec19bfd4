"""Errors of this app, each with the stable code that clients see.

HistoryError
 +-- SymbolNotFound
 +-- InvalidTimeframe
 +-- MissingParameters
 +-- InvalidAlign
 +-- InvalidCursor
 +-- RangeTooLong
 +-- InvalidQuery
 +-- RateLimitExceeded
 +-- DatabaseUnavailable
 +-- Superseded
"""

from collections.abc import Mapping, Sequence

from history.codes import RestCode


class HistoryError(Exception):
    """Base of all errors of the app; ``code`` is stable and goes to clients."""

    code = RestCode.INTERNAL_ERROR


class SymbolNotFound(HistoryError):
    """Raised when nothing is stored for the symbol."""

    code = RestCode.SYMBOL_NOT_FOUND

    def __init__(self, symbol: str, text: str = "") -> None:
        self.symbol = symbol
        super().__init__(text or f"Symbol '{symbol}' not found in database")


class InvalidTimeframe(HistoryError):
    """Raised when a timeframe is not one of those that are served."""

    code = RestCode.INVALID_TIMEFRAME

    def __init__(self, text: str, served: Sequence[str]) -> None:
        self.text = text
        self.served = tuple(served)
        super().__init__(
            f"Invalid timeframe '{text:.20}'. Must be one of: {', '.join(served)}"
        )


class MissingParameters(HistoryError):
    """Raised when the path form of the candles lacks one end of the range."""

    code = RestCode.MISSING_PARAMETERS

    def __init__(self) -> None:
        super().__init__(
            "Missing required query parameters: 'from' and 'to' "
            "(Unix timestamps in seconds)"
        )


class InvalidAlign(HistoryError):
    """Raised when a text names no alignment of days and weeks."""

    code = RestCode.VALIDATION_ERROR

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(
            "expected an IANA time zone and a quarter of an hour like "
            f"America/New_York@17:00, found '{text:.60}'"
        )


class InvalidCursor(HistoryError):
    """Raised when a text is not a cursor that an earlier page gave."""

    code = RestCode.VALIDATION_ERROR

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"expected the cursor of an earlier page, found '{text:.60}'")


class RangeTooLong(HistoryError):
    """Raised when a range is longer than its timeframe allows in one answer."""

    code = RestCode.RANGE_TOO_LARGE

    def __init__(self, timeframe: str, limit_s: int) -> None:
        self.timeframe = timeframe
        self.limit_s = limit_s
        super().__init__(
            f"A range of {timeframe} candles cannot exceed {limit_s // 86_400} day"
        )


class InvalidQuery(HistoryError):
    """Raised when parameters are wrong; ``details`` has a field and a message each.

    A rule over several fields has the field "".
    """

    code = RestCode.VALIDATION_ERROR

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.details = [
            {"field": field, "message": message} for field, message in problems
        ]
        super().__init__("Validation failed")


class RateLimitExceeded(HistoryError):
    """Raised when a client has used up its requests of the minute."""

    code = RestCode.RATE_LIMIT_EXCEEDED

    def __init__(self, text: str, headers: Mapping[str, str]) -> None:
        self.headers = headers
        super().__init__(text)


class DatabaseUnavailable(HistoryError):
    """Raised when an answer needs the database and that is away or not configured."""

    code = RestCode.DATABASE_ERROR

    def __init__(self, text: str = "No database is configured (DATABASE_URL)") -> None:
        super().__init__(text)


class Superseded(HistoryError):
    """Raised when another process stores the records of a broker now."""
