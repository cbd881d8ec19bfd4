"""Errors of this app, each with a stable code.

ImporterError
 +-- InvalidSource      the source of files cannot be used
 +-- InvalidRange       the range of days cannot be imported
 +-- UnknownInstrument  the archive does not carry the symbol
 +-- NothingStored      there is no history of the symbol
 +-- HourError          one hour cannot be had; the others go on
      +-- DamagedFile
      +-- PoorQuality    too many of its ticks are no ticks
      +-- UnreadableFile
           +-- RequestFailed  one try; the next may get it
"""

from collections.abc import Sequence


class ImporterError(Exception):
    """Base of all errors of the app; ``code`` is stable."""

    code = "IMPORT_FAILED"


class InvalidSource(ImporterError):
    """Raised when the text that names a source is wrong, or what it names is away."""

    code = "INVALID_SOURCE"

    def __init__(self, expected: str, found: str) -> None:
        self.expected = expected
        self.found = found
        super().__init__(f"expected {expected}, found {found}")


class InvalidRange(ImporterError):
    """Raised when the days asked for are not a range in the past."""

    code = "INVALID_RANGE"

    def __init__(self, expected: str, found: str) -> None:
        self.expected = expected
        self.found = found
        super().__init__(f"expected {expected}, found {found}")


class UnknownInstrument(ImporterError):
    """Raised when the archive does not carry the symbol.

    ``near`` are symbols that are spelled alike, else some that it carries.
    """

    code = "UNKNOWN_SYMBOL"

    def __init__(self, symbol: str, near: Sequence[str], *, carried: int) -> None:
        self.symbol = symbol
        self.near = list(near)
        self.carried = carried
        super().__init__(
            f"expected one of {carried} symbols of dukascopy with a price scale "
            f"({', '.join([*near, '...'])}), found {symbol!r:.60}"
            if carried
            else "expected symbols of dukascopy in the database, found none; "
            "load them with: manage.py load_instruments"
        )


class NothingStored(ImporterError):
    """Raised when a symbol is to be checked or repaired of which nothing is stored."""

    code = "NOTHING_STORED"

    def __init__(self, symbol: str, stored: Sequence[str]) -> None:
        self.symbol = symbol
        self.stored = list(stored)
        known = ", ".join(self.stored) or "nothing"
        super().__init__(f"expected one of {known:.200}, found {symbol!r:.60}")


class HourError(ImporterError):
    """Base of errors that cost one hour; ``name`` is the file's."""

    code = "HOUR_FAILED"

    def __init__(self, name: str, expected: str, found: str) -> None:
        self.name = name
        self.expected = expected
        self.found = found
        super().__init__(f"expected {expected}, found {found} in {name}")


class DamagedFile(HourError):
    """Raised when the content of a file is not what its format demands."""

    code = "DAMAGED_FILE"


class PoorQuality(HourError):
    """Raised when too many ticks of a file would have to be dropped."""

    code = "POOR_QUALITY"

    def __init__(self, name: str, limit: float, found: str) -> None:
        super().__init__(name, f"at most {limit:.0%} of ticks unfit", found)


class UnreadableFile(HourError):
    """Raised when a file is there and cannot be read."""

    code = "UNREADABLE_FILE"


class RequestFailed(UnreadableFile):
    """Raised when one request got no usable answer, and a later one may.

    ``retry_after_s`` is how long the server asks to be left alone, if it does.
    """

    def __init__(
        self,
        name: str,
        expected: str,
        found: str,
        *,
        retry_after_s: float | None = None,
    ) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(name, expected, found)
