"""Both services together: which to start, with which binaries, on which ports."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import binaries, installed, ports, postgres, redis
from .errors import (
    NotRunningError,
    ServicesError,
    StartFailedError,
)
from .paths import Layout, find_layout, prepare, write_private
from .processes import locked
from .purge import remove_data
from .state import State, load_state, save_state

START_TRIES = 3  # another process may take a free port before the server does


@dataclass(frozen=True)
class Environment:
    """How to reach the services; `started` names those that this call started."""

    database_url: str
    redis_url: str
    started: tuple[str, ...] = ()

    def render(self) -> str:
        """Return `export NAME=value` lines, quoted for a shell."""
        return (
            f"export DATABASE_URL={shlex.quote(self.database_url)}\n"
            f"export REDIS_URL={shlex.quote(self.redis_url)}\n"
        )


@dataclass(frozen=True)
class Status:
    """One service: `word` is running, stopped or external; None: not known."""

    name: str
    word: str
    port: int | None = None
    folder: Path | None = None
    version: str | None = None


def up() -> Environment:
    """Start what does not run yet and return how to reach both; data is kept.

    Blocks: seconds, at the very first call also for a download. Of two calls at
    once the second waits. The services outlive the caller.

    Raises: ServicesError and its subclasses, see errors.py.
    """
    database_url = os.environ.get("DATABASE_URL", "")
    redis_url = os.environ.get("REDIS_URL", "")
    if database_url and redis_url:
        return Environment(database_url, redis_url)
    check_settings()
    layout = find_layout()
    prepare(layout)
    with locked(layout.lock):
        state = load_state(layout) or State(folder=str(layout.folder))
        save_state(layout, state)
        started = []
        if not database_url and up_postgres(layout, state):
            started.append(postgres.NAME)
        if not redis_url and up_redis(layout, state):
            started.append(redis.NAME)
        ready = Environment(
            database_url or state.database_url,
            redis_url or state.redis_url,
            tuple(started),
        )
        write_private(layout.env_file, ready.render())
    return ready


def down(*, purge: bool = False) -> tuple[str, ...]:
    """Stop the private services and return the names of those that ran.

    `purge` removes their data, passwords and logs too; downloaded binaries stay
    when they are inside the clone. Services behind DATABASE_URL and REDIS_URL are
    left alone.

    Raises: StopFailedError, UnsafePathError.
    """
    layout = find_layout()
    if not layout.folder.is_dir():
        return ()
    with locked(layout.lock):
        stopped = []
        if redis.stop_clean(layout):
            stopped.append(redis.NAME)
        if postgres.stop_fast(layout):
            stopped.append(postgres.NAME)
        if purge:
            remove_data(layout)
    return tuple(stopped)


def environment() -> Environment:
    """Return how to reach the services; starts nothing.

    Raises: NotRunningError when one is neither up nor set from outside.
    """
    database_url = os.environ.get("DATABASE_URL", "")
    redis_url = os.environ.get("REDIS_URL", "")
    if database_url and redis_url:
        return Environment(database_url, redis_url)
    layout = find_layout()
    state = load_state(layout) or State(folder=str(layout.folder))
    if not database_url and not postgres.is_ready(layout, state):
        raise NotRunningError(postgres.NAME)
    if not redis_url and not redis.is_ready(layout, state):
        raise NotRunningError(redis.NAME)
    return Environment(database_url or state.database_url, redis_url or state.redis_url)


def status() -> tuple[Status, Status]:
    """Return the state of PostgreSQL and of Redis; starts nothing."""
    layout = find_layout()
    state = load_state(layout) or State(folder=str(layout.folder))
    if os.environ.get("DATABASE_URL"):
        database = Status(postgres.NAME, "external")
    else:
        word = "running" if postgres.is_ready(layout, state) else "stopped"
        folder = postgres.data_folder(layout)
        program = Path(state.postgres_bin or "/nonexistent", "postgres")
        version = version_text(program)
        port = state.postgres_port
        database = Status(postgres.NAME, word, port, folder, version)
    if os.environ.get("REDIS_URL"):
        return database, Status(redis.NAME, "external")
    word = "running" if redis.is_ready(layout, state) else "stopped"
    version = version_text(Path(state.redis_server or "/nonexistent"))
    port = state.redis_port
    return database, Status(redis.NAME, word, port, layout.redis, version)


def version_text(program: Path) -> str | None:
    server = installed.read_version(program)
    return server.version_text if server else None


def up_postgres(layout: Layout, state: State) -> bool:
    """Make PostgreSQL run; False when it did already."""
    if postgres.find_postmaster(layout) is not None:
        check_port(postgres.NAME, postgres.SETTING, state.postgres_port)
        postgres.wait_ready(layout, state)
        return False
    program = binaries.find_postgres(layout.cache, postgres.data_major(layout))
    state.postgres_bin = str(program.parent)

    def start() -> None:
        state.postgres_port = ports.choose(postgres.SETTING, state.postgres_port)
        save_state(layout, state)
        postgres.start(layout, state)

    start_with_retries(
        start,
        lambda: (
            postgres.find_postmaster(layout) is None
            and not ports.is_free(state.postgres_port or 0)
        ),
    )
    return True


def up_redis(layout: Layout, state: State) -> bool:
    """Make Redis run; False when it did already."""
    if redis.find_servers(layout):
        check_port(redis.NAME, redis.SETTING, state.redis_port)
        redis.wait_ready(layout, state)
        return False
    state.redis_server = str(binaries.find_redis(layout.cache))

    def start() -> None:
        state.redis_port = ports.choose(redis.SETTING, state.redis_port)
        save_state(layout, state)
        redis.start(layout, state)

    start_with_retries(
        start,
        lambda: (
            not redis.find_servers(layout) and not ports.is_free(state.redis_port or 0)
        ),
    )
    return True


def start_with_retries(start: Callable[[], None], is_taken: Callable[[], bool]) -> None:
    """Try again when a start failed since its port was taken in the last moment."""
    for _ in range(START_TRIES - 1):
        try:
            start()
        except StartFailedError:
            if not is_taken():
                raise
        else:
            return
    start()


def check_settings() -> None:
    """Raise ServicesError for a wrong setting, before anything is made."""
    binaries.is_private()
    ports.fixed_port(postgres.SETTING)
    ports.fixed_port(redis.SETTING)


def check_port(name: str, setting: str, port: int | None) -> None:
    """Raise ServicesError when the user fixed another port than the one in use."""
    fixed = ports.fixed_port(setting)
    if fixed is not None and fixed != port:
        raise ServicesError(
            f"expected {name} on port {fixed} ({setting}), found it running on port "
            f"{port}; stop it first: python3 -m services down"
        )
