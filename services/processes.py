"""Running commands, finding our processes, stopping them, and locking.

A service is recognised by its command name and by its working folder, which both
servers set to their data folder. A pid file alone proves nothing after kill -9.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .errors import StopFailedError
from .paths import Account

POLL_S = 0.02  # a poll is one readlink or one connect; 20 ms adds no visible delay

log = logging.getLogger("services")


def run(
    command: Sequence[str | Path],
    *,
    account: Account | None = None,
    input_text: str | None = None,
    missing_ok: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, output captured, as `account` when given.

    In a session of its own, so that Ctrl-C in the caller's terminal does not reach
    a server that is being started. Never raises for an exit code. `missing_ok`: a
    command that does not exist gives exit code 127, as in a shell.
    """
    if missing_ok and not Path(command[0]).exists():
        return subprocess.CompletedProcess(command, 127, "", "")
    return subprocess.run(
        [str(part) for part in command],
        cwd="/",  # the caller's folder may be closed to the account
        env=clean_environment(),
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        input="" if input_text is None else input_text,
        capture_output=True,
        text=True,
        errors="replace",
        start_new_session=True,
        umask=0o022,  # a root umask of 077 would hide the binaries from the account
        check=False,
    )


def clean_environment() -> dict[str, str]:
    """Return the environment without what changes how the servers behave.

    PGDATA, PGPORT and the like belong to the user's other servers; LD_* would mix
    the machine's libraries into binaries that bring their own libc.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "LD_", "LC_", "LANG"))
    }
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def find_processes(folder: Path, command: str) -> list[int]:
    """Return pids of live processes named `command` working in `folder`."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if is_process(pid, folder, command)]


def is_process(pid: int, folder: Path, command: str) -> bool:
    """Tell whether a pid is alive (no zombie) and is `command` in `folder`."""
    try:
        if Path(f"/proc/{pid}/comm").read_text().rstrip("\n") != command:
            return False
        return os.readlink(f"/proc/{pid}/cwd") == str(folder)
    except OSError:
        return False


def stop(pids: Sequence[int], signal_number: int, timeout_s: float, name: str) -> None:
    """Send a signal and wait for all pids to be gone.

    Raises: StopFailedError when one is alive after `timeout_s`.
    """
    for pid in pids:
        send(pid, signal_number)
    if not wait_until(lambda: not any(map(is_alive, pids)), timeout_s):
        alive = [pid for pid in pids if is_alive(pid)]
        raise StopFailedError(
            f"expected {name} to end within {timeout_s:g} s of "
            f"{signal.Signals(signal_number).name}, found {alive} still alive"
        )


def send(pid: int, signal_number: int) -> None:
    """Send a signal; a process that is gone already is fine."""
    try:
        os.kill(pid, signal_number)
    except ProcessLookupError:
        return


def is_alive(pid: int) -> bool:
    """Tell whether a pid exists and is not a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    # the name in brackets may hold spaces and brackets; the state follows the last
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Poll until the condition holds; False when the time is over."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True


def log_tail(path: Path) -> str:
    """Return the last lines of a log for an error's text; "" when there is none."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join([f"end of {path}:", *lines[-10:]])


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; blocks while another process holds it.

    flock ends with its holder, however that dies, so no lock is ever stale.
    """
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("waiting for another call that holds %s", path)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
