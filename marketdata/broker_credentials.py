"""Credentials of a broker's account, which nothing shows by accident. Pure."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import NoReturn
from weakref import WeakValueDictionary

import msgspec

MAX_FIELDS = 20
MAX_CHARS = 4096
# Shorter ones are words ("live", "paper"), and could not be left out of anything.
_SECRET_CHARS = 8
_HIDDEN = "[hidden]"


class Credentials:
    """Named texts that open an account; equal if they are the same.

    Its `repr` names the fields only, and it cannot be pickled. While one lives,
    `hide_secrets` knows its values.
    """

    __slots__ = ("__weakref__", "_values")

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        _alive[id(self)] = self

    def reveal(self) -> dict[str, str]:
        """Return the values, for the program that talks with the broker."""
        return dict(self._values)

    def hide(self, text: str) -> str:
        """Return a text without any of the values."""
        # Longest first: one may be a part of another.
        for value in sorted(self._values.values(), key=len, reverse=True):
            if len(value) >= _SECRET_CHARS:
                text = text.replace(value, _HIDDEN)
        return text

    def owner(self, key: bytes, broker: str) -> str:
        """Return the name of their private feed: 32 hexadecimal digits.

        The same for equal credentials; who lacks the key can make nothing of it.
        """
        content = msgspec.json.encode([broker, sorted(self._values.items())])
        return hmac.new(key, content, hashlib.sha256).hexdigest()[:32]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Credentials) and self._values == other._values

    def __hash__(self) -> int:
        return hash(frozenset(self._values))

    def __repr__(self) -> str:
        return f"Credentials({', '.join(sorted(self._values))})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials cannot be pickled")


def owner_key(secret_key: str) -> bytes:
    """Return the key of `Credentials.owner`, made of the installation's SECRET_KEY."""
    return hashlib.sha256(b"owners of private feeds:" + secret_key.encode()).digest()


def hide_secrets(text: str) -> str:
    """Return a text without the values of all credentials that live in the process."""
    for credentials in list(_alive.values()):
        text = credentials.hide(text)
    return text


# By identity: equal ones live and die apart.
_alive: WeakValueDictionary[int, Credentials] = WeakValueDictionary()
