"""Finding servers that are installed on the machine already."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .processes import run

MINIMUM_POSTGRES = 14
BIN_FOLDERS = ("lib/postgresql/*/bin", "pgsql-*/bin", "local/pgsql/bin")


@dataclass(frozen=True)
class Server:
    """A server's program and its version, for example (17, 11)."""

    program: Path
    version: tuple[int, ...]

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))


def find_postgres(wanted_major: int | None) -> Server | None:
    """Return the newest installed PostgreSQL with TimescaleDB; None when none fits.

    `wanted_major` is the version that made the data, None before the first start.
    """
    found = []
    for program in postgres_programs():
        server = read_version(program)
        if server is None or server.version[0] < MINIMUM_POSTGRES:
            continue
        is_wanted = wanted_major in {None, server.version[0]}
        if is_wanted and has_timescaledb(program):
            found.append(server)
    return max(found, key=lambda server: server.version, default=None)


def find_redis() -> Server | None:
    """Return the installed redis-server; None when there is none."""
    program = shutil.which("redis-server")
    return read_version(Path(program)) if program else None


def postgres_programs() -> list[Path]:
    """Return every `postgres` that has `initdb` and `pg_ctl` beside it."""
    usr = Path("/usr")
    programs = [
        folder / "postgres" for name in BIN_FOLDERS for folder in usr.glob(name)
    ]
    on_path = shutil.which("postgres")
    if on_path:
        programs.append(Path(on_path).resolve())
    return [
        program
        for program in programs
        if all((program.parent / name).exists() for name in ("initdb", "pg_ctl"))
        and program.exists()
    ]


def has_timescaledb(program: Path) -> bool:
    """Tell whether TimescaleDB's library is where this PostgreSQL looks for it."""
    prefix = program.parent.parent
    libraries = [prefix / "lib", prefix / "lib64", prefix / "lib" / "postgresql"]
    asked = run([program.parent / "pg_config", "--pkglibdir"], missing_ok=True)
    if asked.returncode == 0:
        libraries.append(Path(asked.stdout.strip()))
    return any((folder / "timescaledb.so").exists() for folder in libraries)


def read_version(program: Path) -> Server | None:
    """Ask a server for its version; None when it does not run or tell."""
    done = run([program, "--version"], missing_ok=True)
    version = parse_version(done.stdout) if done.returncode == 0 else ()
    return Server(program, version) if version else None


def parse_version(text: str) -> tuple[int, ...]:
    """Read the version out of what `--version` prints; () when there is none.

    postgres (PostgreSQL) 17.11 (Debian 17.11-0+deb13u1)
    Redis server v=8.0.2 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64
    """
    match = re.search(r"(?:\(PostgreSQL\) |v=)(\d+(?:\.\d+)*)", text)
    return tuple(map(int, match[1].split("."))) if match else ()
