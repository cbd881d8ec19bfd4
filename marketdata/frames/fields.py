"""Checked access to the fields of a client's JSON object, with errors for people."""

from collections.abc import Mapping
from typing import Any, TypeVar

from marketdata.exceptions import InvalidField

T = TypeVar("T")

_MAX_SHOWN = 60


def describe(value: object) -> str:
    """Return the JSON value for an error text, in JSON's words and cut short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value[:_MAX_SHOWN])
    if isinstance(value, int | float):
        return f"{value!r:.{_MAX_SHOWN}}"
    return "a list" if isinstance(value, list) else "an object"


class Fields:
    """The fields of one object; null is the same as absent."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def value(self, name: str) -> Any:
        """Return the field as it is, None if absent."""
        return self._fields.get(name)

    def text(self, name: str) -> str | None:
        """Return the text, None if absent; InvalidField if it is none."""
        value = self.value(name)
        if value is not None and not isinstance(value, str):
            raise InvalidField(name, "a text", describe(value))
        return value

    def texts(self, name: str, *, limit: int) -> tuple[str, ...]:
        """Return the list of texts, empty if absent; InvalidField if it is none."""
        value = self.value(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise InvalidField(name, "a list of texts", describe(value))
        if len(value) > limit:
            raise InvalidField(name, f"at most {limit} items", f"{len(value)}")
        for index, item in enumerate(value):
            if not isinstance(item, str):
                raise InvalidField(f"{name}[{index}]", "a text", describe(item))
        return tuple(value)

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return true or false; InvalidField if it is neither."""
        value = self.value(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise InvalidField(name, "true or false", describe(value))
        return value

    def integer(self, name: str, low: int, high: int) -> int | None:
        """Return the integer, None if absent; InvalidField if not in low..high."""
        value = self.value(name)
        if value is None:
            return None
        if type(value) is not int or not low <= value <= high:
            raise InvalidField(name, f"an integer of {low} to {high}", describe(value))
        return value

    def choice(self, name: str, choices: Mapping[str, T]) -> T | None:
        """Return what the text stands for, None if absent; InvalidField otherwise."""
        value = self.value(name)
        if value is None:
            return None
        if not isinstance(value, str) or value not in choices:
            raise InvalidField(name, f"one of {', '.join(choices)}", describe(value))
        return choices[value]
