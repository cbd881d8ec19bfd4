"""A statement that somebody plans and somebody else runs."""

from typing import Any

import msgspec


class Statement(msgspec.Struct, frozen=True):
    """SQL with psycopg's named placeholders, and their values."""

    sql: str
    parameters: dict[str, Any]
