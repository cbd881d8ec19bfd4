"""Choosing the servers' programs: the machine's own, else fetched packages."""

from __future__ import annotations

import os
from pathlib import Path

from . import installed, packages
from .errors import ServicesError


def find_postgres(cache: Path, data_major: int | None) -> Path:
    """Return the `postgres` to start; it matches the version that made the data.

    `data_major` is None before the first start. May block for a download.

    Raises: ServicesError when the data was made by another major version.
    """
    server = None if is_private() else installed.find_postgres(data_major)
    if server is None:
        program = packages.ensure_packages(cache) / packages.POSTGRES_BIN / "postgres"
        server = installed.read_version(program)
    if server is None:
        raise ServicesError(
            f"expected a working postgres in {cache}, found it broken; remove the "
            "folder and start again"
        )
    if data_major not in {None, server.version[0]}:
        raise ServicesError(
            f"expected PostgreSQL {data_major}, which made the data, found "
            f"{server.version_text}; install {data_major} with TimescaleDB, or drop "
            "the data: python3 -m services down --purge"
        )
    return server.program


def find_redis(cache: Path) -> Path:
    """Return the `redis-server` to start. May block for a download."""
    server = None if is_private() else installed.find_redis()
    if server is not None:
        return server.program
    return packages.ensure_packages(cache) / packages.REDIS_SERVER


def is_private() -> bool:
    """Tell whether the user wants the fetched programs in any case.

    Raises: ServicesError when SERVICES is neither unset nor "private".
    """
    word = os.environ.get("SERVICES", "")
    if word not in {"", "private"}:
        raise ServicesError(f"expected SERVICES unset or 'private', found {word!r}")
    return word == "private"
