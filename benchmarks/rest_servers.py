"""Servers for the benchmark of REST: ours, an empty view, and a peer; on one core.

The test database, whose name Django has, is what they read.
"""

import contextlib
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator

from django.conf import settings
from django.db import connection

from benchmarks.http_load import Server

CORES = sorted(os.sched_getaffinity(0))
PEER_PORT = 9_410


@contextlib.contextmanager
def ours(**environment: str) -> Iterator[Server]:
    """Give a web process with a limit for this machine, too."""
    address, _, _ = settings.DATABASE_URL.rpartition("/")
    argv = ["manage.py", "serve", "--host", "127.0.0.1", "--port", "0"]
    values = {
        "DATABASE_URL": f"{address}/{connection.settings_dict['NAME']}",
        "ALLOWED_HOSTS": "127.0.0.1",
        "RATE_LIMIT_LOOPBACK": "true",
        "REST_REQUESTS_PER_MIN": "100000000",
        "LOG_LEVEL": "WARNING",
        "ENV_FILE": os.devnull,
        **environment,
    }
    with running([sys.executable, *argv], values) as (pid, line):
        yield Server(pid, int(line.rstrip("/\n").rpartition(":")[2]))


@contextlib.contextmanager
def empty_view(handler: str) -> Iterator[Server]:
    """Give a server with an empty view."""
    argv = [sys.executable, "-m", "benchmarks.empty_view", handler]
    with running(argv, {}) as (pid, line):
        yield Server(pid, int(line.split()[-1]))


@contextlib.contextmanager
def node(script: str, sql: str) -> Iterator[Server]:
    """Run the peer, which says nothing when it listens, and serves ``sql``."""
    address, _, _ = settings.DATABASE_URL.rpartition("/")
    values = {
        "DATABASE_URL": f"{address}/{connection.settings_dict['NAME']}",
        "PORT": str(PEER_PORT),
        "SQL": sql,
    }
    process = start(["node", script], values)
    try:
        wait_for(process, PEER_PORT)
        yield Server(process.pid, PEER_PORT)
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def running(argv: list[str], environment: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Give a server's process id, and the line with which it says that it listens."""
    process = start(argv, environment)
    try:
        line = process.stdout.readline() if process.stdout else ""
        assert line.startswith("listening"), line
        yield process.pid, line
    finally:
        process.terminate()
        process.communicate(timeout=15)


def start(argv: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start a process on the first core."""
    os.sched_setaffinity(0, {CORES[0]})  # which it inherits
    return subprocess.Popen(
        argv, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )


def wait_for(process: subprocess.Popen[str], port: int) -> None:
    """Return when something answers on the port, unless the process ends before."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if process.poll() is not None:
            raise ChildProcessError(f"the peer ended with code {process.returncode}")
        with contextlib.suppress(OSError):
            http.client.HTTPConnection("127.0.0.1", port).connect()
            return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}")
