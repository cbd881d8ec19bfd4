"""Servers that the machine has already."""

from pathlib import Path

import pytest

from services import installed


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("postgres (PostgreSQL) 17.11 (Debian 17.11-0+deb13u1)\n", (17, 11)),
        ("postgres (PostgreSQL) 18beta1\n", (18,)),
        ("Redis server v=8.0.2 sha=00000000:0 malloc=jemalloc-5.3.0", (8, 0, 2)),
        ("something else 1.2", ()),
    ],
)
def test_parse_version_known_texts_give_numbers(text, version):
    assert installed.parse_version(text) == version


def make_postgres(folder: Path, version: str, *, timescaledb: bool) -> Path:
    """Make scripts that look like an installed PostgreSQL on PATH."""
    for name in ("postgres", "initdb", "pg_ctl"):
        script = folder / "bin" / name
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        script.chmod(0o755)
    (folder / "lib").mkdir()
    if timescaledb:
        (folder / "lib" / "timescaledb.so").touch()
    return folder / "bin" / "postgres"


@pytest.fixture
def only_path(tmp_path, monkeypatch):
    """Hide the machine's own PostgreSQL; programs are looked up in one folder."""
    monkeypatch.setattr(installed, "BIN_FOLDERS", ())
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return tmp_path


def test_find_postgres_with_timescaledb_is_found(only_path):
    program = make_postgres(only_path, "16.2", timescaledb=True)

    assert installed.find_postgres(None) == installed.Server(program, (16, 2))


def test_find_postgres_without_timescaledb_is_none(only_path):
    make_postgres(only_path, "16.2", timescaledb=False)

    assert installed.find_postgres(None) is None


def test_find_postgres_too_old_is_none(only_path):
    make_postgres(only_path, "13.9", timescaledb=True)

    assert installed.find_postgres(None) is None


def test_find_postgres_other_major_than_the_data_is_none(only_path):
    make_postgres(only_path, "16.2", timescaledb=True)

    assert installed.find_postgres(17) is None
