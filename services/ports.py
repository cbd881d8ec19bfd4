"""Choosing TCP ports on 127.0.0.1 and naming the process that holds one."""

from __future__ import annotations

import os
import pwd
import random
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import PortTakenError, ServicesError

HOST = "127.0.0.1"
# below Linux's ephemeral range (from 32768), so that no client socket takes one
AUTOMATIC_PORTS = range(20000, 32000)
LISTENING = "0A"  # state column of /proc/net/tcp, Linux include/net/tcp_states.h


@dataclass(frozen=True)
class Listener:
    """One listening socket as the kernel shows it."""

    port: int
    uid: int
    inode: str


def choose(setting: str, kept: int | None) -> int:
    """Return the port to start on: the user's, else the kept one, else a free one.

    Raises: PortTakenError when the port fixed by `setting` is in use.
    """
    fixed = fixed_port(setting)
    if fixed is not None:
        if not is_free(fixed):
            raise PortTakenError(fixed, setting, describe_owner(fixed))
        return fixed
    if kept is not None and is_free(kept):
        return kept
    return find_free()


def fixed_port(setting: str) -> int | None:
    """Return the port that the environment variable fixes, None when unset.

    Raises: ServicesError when it is no port number.
    """
    text = os.environ.get(setting, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ServicesError(f"expected a port 1-65535 in {setting}, found {text!r}")
    return int(text)


def is_free(port: int) -> bool:
    """Tell whether a server could listen on 127.0.0.1 at this port now."""
    with socket.socket() as probe:
        # as the servers do: a closed connection's TIME_WAIT does not hold the port
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def accepts(port: int) -> bool:
    """Tell whether something accepts connections on 127.0.0.1 at this port."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def find_free() -> int:
    """Return a free port; random, so that two first starts rarely choose the same.

    Raises: ServicesError when 100 tries find none.
    """
    for port in random.sample(AUTOMATIC_PORTS, 100):
        if is_free(port):
            return port
    raise ServicesError(
        f"expected a free port in {AUTOMATIC_PORTS.start}-{AUTOMATIC_PORTS.stop - 1}, "
        "found 100 taken in a row"
    )


def describe_owner(port: int) -> str:
    """Return words for who listens on a port, as exact as our rights allow."""
    tables = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
    listeners = [
        listener
        for table in tables
        if table.exists()
        for listener in parse_listeners(table.read_text().splitlines())
        if listener.port == port
    ]
    for listener in listeners:
        pid = find_socket_process(listener.inode)
        if pid is not None:
            return f"process {pid} ({command_name(pid)})"
    if listeners:
        return f"a process of user {user_name(listeners[0].uid)}"
    return "an unknown process"


def parse_listeners(lines: Iterable[str]) -> list[Listener]:
    """Read the listening sockets of /proc/net/tcp or tcp6.

       0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000
          101        0 67890 1 ...
    Columns: slot, local address:port (hex), remote, state, queues, timer,
    retransmits, uid, timeout, inode. Source: Linux
    Documentation/networking/proc_net_tcp.rst.
    """
    rows = [line.split() for line in lines]
    return [
        Listener(int(row[1].rpartition(":")[2], 16), int(row[7]), row[9])
        for row in rows
        if len(row) > 9 and row[3] == LISTENING
    ]


def find_socket_process(inode: str) -> int | None:
    """Return the pid that holds a socket; None when none is visible to us."""
    wanted = f"socket:[{inode}]"
    for name in os.listdir("/proc"):
        if name.isdigit() and holds_file(Path("/proc", name, "fd"), wanted):
            return int(name)
    return None


def holds_file(folder: Path, wanted: str) -> bool:
    try:
        names = os.listdir(folder)
    except OSError:  # gone, or another user's
        return False
    for name in names:
        try:
            if os.readlink(folder / name) == wanted:
                return True
        except OSError:
            continue
    return False


def command_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "unknown command"


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
