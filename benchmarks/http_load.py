"""Asks a server the same thing over and over, from one process and many sockets."""

import os
import selectors
import socket
import statistics
import time
from pathlib import Path

import msgspec


class Load(msgspec.Struct, frozen=True):
    """What came of it: answers per second, milliseconds of half of them, and the CPU
    time of the server for one, which others on the machine disturb least."""

    rate: float
    p50_ms: float
    cpu_ms: float


class Server(msgspec.Struct, frozen=True):
    """A server's process and port on this machine."""

    pid: int
    port: int

    def cpu_s(self) -> float:
        """Return the CPU time that it has had, threads that ended included."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(
    server: Server, address: str, *, clients: int, seconds: float, headers: str = ""
) -> Load:
    """Keep so many clients asking, each when its last answer is whole.

    Raises:
        AssertionError: an answer was none of 200, 204 and 304.
    """
    request = f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode()
    selector = selectors.DefaultSelector()
    times: list[float] = []
    for _ in range(clients):
        client = socket.create_connection(("127.0.0.1", server.port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(request)
        selector.register(client, selectors.EVENT_READ, [bytearray(), _now()])
    started, spent = _now(), server.cpu_s()
    while _now() - started < seconds:
        for key, _ in selector.select(5):
            received = key.data[0]
            received += key.fileobj.recv(1 << 18)
            if _is_whole(received):
                times.append(_now() - key.data[1])
                received.clear()
                key.data[1] = _now()
                key.fileobj.sendall(request)
    elapsed, spent = _now() - started, server.cpu_s() - spent
    for key in list(selector.get_map().values()):
        key.fileobj.close()
    selector.close()
    return Load(
        len(times) / elapsed,
        statistics.median(times) * 1_000,
        spent / len(times) * 1_000,
    )


def _is_whole(received: bytearray) -> bool:
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return False
    status = bytes(received[9:12])
    assert status in (b"200", b"204", b"304"), bytes(received)
    if status != b"200":
        return True
    head = bytes(received[:end]).lower()
    _, found, length = head.partition(b"content-length:")
    if not found:
        return received.endswith(b"\r\n0\r\n\r\n")
    return len(received) >= end + 4 + int(length.split(b"\r\n", 1)[0])


def _now() -> float:
    return time.perf_counter()
