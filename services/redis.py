"""The private Redis: starting, stopping, checking. It keeps nothing on disk."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from . import ports
from .errors import StartFailedError
from .paths import Layout, make_private_folder, write_private
from .processes import find_processes, log_tail, run, stop, wait_until
from .state import State

NAME = "Redis"
SETTING = "SERVICES_REDIS_PORT"
START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 20
PROGRAM = "redis-server"


def log_file(layout: Layout) -> Path:
    return layout.redis / "redis.log"


def find_servers(layout: Layout) -> list[int]:
    """Return pids of our live Redis; its working folder is ours alone."""
    return find_processes(layout.redis, PROGRAM)


def is_ready(layout: Layout, state: State) -> bool:
    """Tell whether our Redis runs and answers to our password."""
    if not find_servers(layout) or state.redis_port is None:
        return False
    return ping(state.redis_port, state.redis_password)


def ping(port: int, password: str) -> bool:
    """Tell whether a Redis at this port accepts the password and answers."""
    try:
        with socket.create_connection((ports.HOST, port), timeout=2) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2:
                part = connection.recv(256)
                if not part:
                    return False
                answer += part
    except OSError:
        return False
    return answer == b"+OK\r\n+PONG\r\n"


def start(layout: Layout, state: State) -> None:
    """Start Redis on `state.redis_port` and wait until it answers.

    The caller holds the lock. Raises: StartFailedError.
    """
    make_private_folder(layout.redis, layout.account)
    assert state.redis_port is not None
    assert state.redis_server is not None
    config = layout.redis / "redis.conf"
    text = config_text(state.redis_port, state.redis_password, layout.redis)
    write_private(config, text, layout.account)
    done = run([state.redis_server, config], account=layout.account)
    if done.returncode:
        problem = done.stderr.strip() or done.stdout.strip()
        raise StartFailedError(NAME, problem, log_tail(log_file(layout)))
    wait_ready(layout, state)


def wait_ready(layout: Layout, state: State) -> None:
    """Wait until Redis answers, or has ended. Raises: StartFailedError."""
    wait_until(
        lambda: is_ready(layout, state) or not find_servers(layout), START_TIMEOUT_S
    )
    if not is_ready(layout, state):
        problem = f"expected an answer within {START_TIMEOUT_S} s, found none"
        raise StartFailedError(NAME, problem, log_tail(log_file(layout)))


def stop_clean(layout: Layout) -> bool:
    """Stop Redis; False when it did not run. Raises: StopFailedError."""
    pids = find_servers(layout)
    stop(pids, signal.SIGTERM, STOP_TIMEOUT_S, NAME)
    return bool(pids)


def config_text(port: int, password: str, folder: Path) -> str:
    """Return redis.conf: loopback only, a password, nothing written to disk."""
    place = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    return f"""\
# Written by `python3 -m services up` at each start: changes are lost.
bind 127.0.0.1
port {port}
requirepass {password}
daemonize yes
dir "{place}"
logfile "{place}/redis.log"
pidfile "{place}/redis.pid"
# caches, fan-out and queues only: what must last is in PostgreSQL
save ""
appendonly no
"""
