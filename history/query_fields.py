"""Query parameters of REST, checked one by one; every problem is reported at once.

Messages are server A's where its rule still holds (COMPAT A-RE-08). Times in are Unix
seconds or ISO 8601, times inside are microseconds.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import TypeVar

from history.exceptions import HistoryError, InvalidQuery
from history.timestamps import to_us
from marketdata.durations import DAY_US
from marketdata.exceptions import InvalidSymbol
from marketdata.symbols import canonical

T = TypeVar("T")
E = TypeVar("E", bound=Enum)
D = TypeVar("D")

MAX_LIMIT = 10_000
# More seconds than this (the year 5138) can only be milliseconds or a slip.
_MAX_SECONDS = 99_999_999_999
_BROKER = re.compile(r"[A-Za-z0-9_-]{1,40}")
_DIGITS = re.compile(r"[0-9]+")
# A plus in a query string arrives as a space: `T09:00:00+01:00` unquoted.
_LOST_PLUS = re.compile(r"(T\S+) (\d\d:?\d\d)")


class InvalidValue(Exception):
    """Raised when a parameter has a value that it cannot have; the text says why."""


class QueryFields:
    """Takes parameters by name and remembers what is wrong with them."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = parameters
        self._problems: list[tuple[str, str]] = []

    def required(self, name: str, parse: Callable[[str], T]) -> T | None:
        """Return the value, None if it is absent or wrong."""
        if self._parameters.get(name) is None:
            self.refuse(name, "Invalid input: expected string, received undefined")
            return None
        return self.optional(name, parse, None)

    def optional(self, name: str, parse: Callable[[str], T], default: D) -> T | D:
        """Return the value, the default if it is absent or wrong."""
        text = self._parameters.get(name)
        if text is None:
            return default
        try:
            return parse(text)
        except (InvalidValue, HistoryError) as exc:
            self.refuse(name, str(exc))
            return default

    def refuse(self, field: str, message: str) -> None:
        """Remember a problem; one with a rule over several fields has the field ""."""
        self._problems.append((field, message))

    def check(self) -> None:
        """Raise InvalidQuery if there was a problem."""
        if self._problems:
            raise InvalidQuery(self._problems)


def parse_symbol(text: str) -> str:
    """Return the canonical spelling of a symbol in any other."""
    try:
        return canonical(text)
    except InvalidSymbol as exc:
        raise InvalidValue(
            "Symbol must be 1 to 20 letters, digits, '/', '_', '.' or '-' "
            "(e.g., EURUSD)"
        ) from exc


def parse_broker(text: str) -> str:
    """Return the name of a broker in lower case."""
    if not _BROKER.fullmatch(text):
        raise InvalidValue("Broker must be a broker's name")
    return text.lower()


def time_parser(name: str) -> Callable[[str], int]:
    """Return the parser of a time, which gives microseconds since the epoch."""

    def parse(text: str) -> int:
        if _DIGITS.fullmatch(text):
            if len(text) > 11:
                raise InvalidValue(
                    f"{name} must be a Unix timestamp in seconds, "
                    f"found {len(text)} digits: divide milliseconds by 1000"
                )
            return int(text) * 1_000_000
        invalid = InvalidValue(f"{name} must be a Unix timestamp in seconds")
        try:
            time = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", text))
            time_us = to_us(time if time.tzinfo else time.replace(tzinfo=UTC))
        except (ValueError, OverflowError) as exc:
            raise invalid from exc
        if not 0 <= time_us <= _MAX_SECONDS * 1_000_000:
            raise invalid
        return time_us

    return parse


def option_parser(options: Iterable[E]) -> Callable[[str], E]:
    """Return the parser of one of a closed set, by its value."""
    members = {member.value: member for member in options}
    expected = "|".join(f'"{value}"' for value in members)

    def parse(text: str) -> E:
        if text not in members:
            raise InvalidValue(f"Invalid option: expected one of {expected}")
        return members[text]

    return parse


def parse_limit(text: str) -> int:
    """Return how many rows are wanted, 1 to ``MAX_LIMIT``."""
    if _DIGITS.fullmatch(text) and len(text) < 9 and 1 <= int(text) <= MAX_LIMIT:
        return int(text)
    raise InvalidValue(f"Expected a whole number of 1 to {MAX_LIMIT}")


def check_range(fields: QueryFields, length_us: int, max_days: int) -> None:
    """Refuse a range that is longer than so many days."""
    if length_us > max_days * DAY_US:
        longest = "1 year" if max_days == 365 else f"{max_days} days"
        fields.refuse("", f"Date range cannot exceed {longest}")
