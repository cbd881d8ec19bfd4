"""The processes of a run: on which core each runs, what it used, what it logged."""

import contextlib
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import redis

ROOT = Path(__file__).resolve().parents[2]
BROKER = "dukascopy"
# Heartbeats would be in the way of comparing what clients get; the soak has them.
SETTINGS = {
    "BROKERS_ENABLED": BROKER,
    "DATABASE_URL": "",
    "ALLOWED_HOSTS": "127.0.0.1",
    "HEARTBEAT_S": "600",
    "WS_MAX_CONNECTIONS": "20000",
    "LOG_LEVEL": "INFO",
}
_END_S = 15.0
_RSS = re.compile(r"VmRSS:\s+(\d+)")


class Process:
    """A started program; ``output`` is its standard output, ``log`` the other one."""

    def __init__(self, process: subprocess.Popen[str], log: IO[str]) -> None:
        self.popen = process
        self._log = log

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.popen.pid

    def line(self) -> str:
        """Return the next line of its output; blocks.

        Raises:
            RuntimeError: there is none, with the end of its log.
        """
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.popen.args!r} ended: {self.log_text()[-2000:]}")
        return line.strip()

    def has_output(self) -> bool:
        """Return True if there is something for ``line`` to return."""
        assert self.popen.stdout is not None
        return bool(select.select([self.popen.stdout], [], [], 0)[0])

    def tell(self, text: str) -> None:
        """Write a line to its input."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(text + "\n")
        self.popen.stdin.flush()

    def cpu_s(self) -> float:
        """Return the CPU time that it and its children have had."""
        return sum(_cpu_s(pid) for pid in (self.pid, *_children(self.pid)))

    def rss_kb(self) -> int:
        """Return its memory in KB, 0 if it has ended."""
        found = _RSS.search(Path(f"/proc/{self.pid}/status").read_text())
        return int(found[1]) if found else 0

    def log_text(self) -> str:
        """Return what it has logged."""
        self._log.seek(0)
        return self._log.read()

    def end(self) -> int:
        """Stop it, and return its exit code."""
        self.popen.terminate()
        try:
            return self.popen.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait()


@contextlib.contextmanager
def running(
    argv: Sequence[str],
    *,
    core: int | None,
    cwd: Path | str = ROOT,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """Run a program on one core (None: any), and stop it at the end."""
    mine = os.sched_getaffinity(0)
    with tempfile.TemporaryFile("w+") as log:
        os.sched_setaffinity(0, all_cores() if core is None else {core})
        try:
            popen = subprocess.Popen(
                argv,
                cwd=cwd,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **(environment or {})},
            )
        finally:
            os.sched_setaffinity(0, mine)
        process = Process(popen, log)
        try:
            yield process
        finally:
            process.end()
            for pipe in filter(None, (popen.stdin, popen.stdout)):
                with contextlib.suppress(OSError):
                    pipe.close()


@contextlib.contextmanager
def serving(environment: Mapping[str, str]) -> Iterator[tuple[Process, int]]:
    """Run our web process on the first core; yields it and its port."""
    argv = [sys.executable, "manage.py", "serve", "--host", "127.0.0.1", "--port", "0"]
    with running(
        argv, core=server_core(), environment={**SETTINGS, **environment}
    ) as process:
        yield process, int(process.line().rstrip("/").rpartition(":")[2])


@contextlib.contextmanager
def running_redis() -> Iterator[int]:
    """Run a Redis without password and disk; yields its port."""
    port = free_port()
    argv = [_redis_program(), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with running(argv, core=None):
        with redis.Redis(port=port) as client:
            wait_until(lambda: _answers(client), timeout_s=10)
        yield port


def _answers(client: Any) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _redis_program() -> str:
    """Return the program of the Redis in use, or the installed one."""
    url = os.environ.get("REDIS_URL", "")
    if url:
        with redis.Redis.from_url(url) as client:
            program = client.info("server")["executable"]
        if Path(program).is_file():
            return str(program)
    found = shutil.which("redis-server")
    if found is None:
        raise RuntimeError("expected redis-server or REDIS_URL, found neither")
    return found


def all_cores() -> set[int]:
    """Return the cores of the machine that this process was given."""
    return set(range(os.cpu_count() or 1))


def server_core() -> int:
    """Return the core of what is measured: the first."""
    return min(all_cores())


def client_core() -> int:
    """Return the core of clients and of sources that are not ours: the last."""
    return max(all_cores())


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_until(condition: Any, *, timeout_s: float) -> None:
    """Return when the condition holds.

    Raises:
        TimeoutError: it did not in that time.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not true within {timeout_s} s")
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    # Not every kernel has /proc/<pid>/task/<tid>/children.
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
