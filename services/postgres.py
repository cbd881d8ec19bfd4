"""The private PostgreSQL: making its data folder, starting, stopping, checking."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

from . import ports
from .errors import StartFailedError, UnsupportedMachineError
from .installed import read_version
from .paths import Layout, make_private_folder, write_private
from .processes import find_processes, is_process, log_tail, run, stop, wait_until
from .state import State

NAME = "PostgreSQL"
SETTING = "SERVICES_PG_PORT"
ROLE = DATABASE = "marketdata"
START_TIMEOUT_S = 120  # a crash recovery of max_wal_size = 4 GB may take a minute
STOP_TIMEOUT_S = 60  # a fast shutdown writes one checkpoint
ORPHAN_TIMEOUT_S = 3  # idle backends end at once when their postmaster dies
MAX_SOCKET_BYTES = 107  # sockaddr_un.sun_path with its closing zero, unix(7)
SOCKET_NAME = "/.s.PGSQL.65535"
ZONES = Path("/usr/share/zoneinfo")  # Debian's PostgreSQL brings none of its own


def data_folder(layout: Layout) -> Path:
    return layout.postgres / "data"


def log_file(layout: Layout) -> Path:
    return layout.postgres / "postgres.log"


def data_major(layout: Layout) -> int | None:
    """Return the major version that made the data; None when there is no data."""
    try:
        return int((data_folder(layout) / "PG_VERSION").read_text())
    except OSError:
        return None


def find_postmaster(layout: Layout) -> int | None:
    """Return the pid of our live postmaster; a stale or foreign pid is None."""
    data = data_folder(layout)
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return pid if is_process(pid, data, "postgres") else None


def is_ready(layout: Layout, state: State) -> bool:
    """Tell whether PostgreSQL runs, says it is ready, and accepts connections."""
    if find_postmaster(layout) is None or state.postgres_port is None:
        return False
    lines = (data_folder(layout) / "postmaster.pid").read_text().split("\n")
    # line 8 is the postmaster's own status, src/include/utils/pidfile.h
    is_up = len(lines) >= 8 and lines[7].strip() == "ready"
    return is_up and ports.accepts(state.postgres_port)


def start(layout: Layout, state: State) -> None:
    """Start PostgreSQL on `state.postgres_port` and wait until it is ready.

    Makes the data folder at the first call. The caller holds the lock.

    Raises: StartFailedError, UnsupportedMachineError, StopFailedError.
    """
    make_private_folder(layout.postgres, layout.account)
    end_orphans(layout)
    data = data_folder(layout)
    if not data.exists():
        make_data(layout, state)
    assert state.postgres_port is not None
    sockets = socket_folder(layout)
    text = config_text(state.postgres_port, sockets)
    write_private(data / "postgresql.conf", text, layout.account)
    remove_stale_locks(layout)
    done = run(
        [
            program(state, "pg_ctl"),
            "start",
            "--wait",
            f"--timeout={START_TIMEOUT_S}",
            f"--pgdata={data}",
            f"--log={log_file(layout)}",
        ],
        account=layout.account,
    )
    if done.returncode:
        raise StartFailedError(NAME, done.stderr.strip(), log_tail(log_file(layout)))


def wait_ready(layout: Layout, state: State) -> None:
    """Wait for a start that an interrupted call left under way, or for its end.

    Raises: StartFailedError.
    """
    wait_until(
        lambda: is_ready(layout, state) or find_postmaster(layout) is None,
        START_TIMEOUT_S,
    )
    if not is_ready(layout, state):
        problem = f"expected it ready within {START_TIMEOUT_S} s, found it not"
        raise StartFailedError(NAME, problem, log_tail(log_file(layout)))


def stop_fast(layout: Layout) -> bool:
    """Stop PostgreSQL, ending its sessions; False when it did not run.

    Raises: StopFailedError.
    """
    pid = find_postmaster(layout)
    if pid is not None:
        stop([pid], signal.SIGINT, STOP_TIMEOUT_S, NAME)
    end_orphans(layout)
    return pid is not None


def end_orphans(layout: Layout) -> None:
    """Wait for processes of a killed postmaster to end, then end them.

    As long as one lives PostgreSQL refuses to start on the same data.
    """
    data = data_folder(layout)
    if not wait_until(lambda: not find_processes(data, "postgres"), ORPHAN_TIMEOUT_S):
        stop(find_processes(data, "postgres"), signal.SIGQUIT, ORPHAN_TIMEOUT_S, NAME)


def remove_stale_locks(layout: Layout) -> None:
    """Remove the pid files of a killed postmaster; end_orphans came before.

    PostgreSQL would refuse to start when their pid lives: it may be another
    process's by now, or a zombie where process 1 does not reap (containers).
    """
    (data_folder(layout) / "postmaster.pid").unlink(missing_ok=True)
    for lock in layout.postgres.glob(".s.PGSQL.*"):
        lock.unlink(missing_ok=True)


def make_data(layout: Layout, state: State) -> None:
    """Make the data folder with role and database; whole or not at all.

    Raises: StartFailedError, UnsupportedMachineError.
    """
    if not ZONES.is_dir():
        raise UnsupportedMachineError(
            f"expected time zones in {ZONES} (Debian package tzdata), found none"
        )
    for left in layout.postgres.glob("new-*"):
        shutil.rmtree(left, ignore_errors=True)  # of an interrupted call
    # a name of its own: the initdb of a killed call may still be writing to its own
    new = layout.postgres / f"new-{os.getpid()}-{time.monotonic_ns()}"
    server = read_version(Path(program(state, "postgres")))
    major = server.version[0] if server else 0
    password = layout.postgres / "password"
    write_private(password, state.postgres_password, layout.account)
    command = [program(state, "initdb"), *initdb_options(major)]
    command += [f"--pwfile={password}", f"--pgdata={new}"]
    done = run(command, account=layout.account)
    password.unlink()
    if done.returncode:
        raise StartFailedError(NAME, f"initdb: {done.stderr.strip()}")
    done = run(
        [program(state, "postgres"), "--single", "-D", str(new), "template1"],
        account=layout.account,
        input_text=f"CREATE DATABASE {DATABASE}\n",
    )
    if done.returncode or "ERROR" in done.stderr:
        raise StartFailedError(NAME, f"CREATE DATABASE: {done.stderr.strip()}")
    new.rename(data_folder(layout))


def initdb_options(major: int) -> list[str]:
    """Return what initdb is told; UTF8 and C sorting whatever the machine's locale."""
    options = [
        f"--username={ROLE}",
        "--encoding=UTF8",
        "--locale=C",
        "--auth=scram-sha-256",
    ]
    if major >= 17:  # the builtin provider came with 17
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return options


def config_text(port: int, sockets: str) -> str:
    """Return postgresql.conf; `sockets` is a folder, "" for TCP only."""
    folder = sockets.replace("'", "''")
    return f"""\
# Written by `python3 -m services up` at each start: changes are lost.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
max_connections = 200
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
timescaledb.max_background_workers = 0
max_locks_per_transaction = 512
shared_buffers = 256MB
max_wal_size = 4GB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
"""


def socket_folder(layout: Layout) -> str:
    """Return the folder for the unix socket; "" when its path would be too long."""
    folder = str(layout.postgres)
    is_short = len((folder + SOCKET_NAME).encode()) < MAX_SOCKET_BYTES
    return folder if is_short and "," not in folder else ""  # a comma splits a list


def program(state: State, name: str) -> str:
    """Return the path of a program beside the server in use."""
    assert state.postgres_bin is not None
    return str(Path(state.postgres_bin) / name)
