"""Thousands of clients in one thread, by one epoll."""

import contextlib
import resource
import select
import socket
import time
from collections.abc import Callable, Iterable, Iterator

from benchmarks.fanout.clients import Client, Request
from benchmarks.fanout.streams import Stream

PORTS_PER_ADDRESS = 20_000  # of 28,000: source addresses are 127.0.0.2, .3, ...
_CHECK_S = 0.02
_ABORT = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # leaves no port in TIME_WAIT
_BIND_ADDRESS_NO_PORT = 24


class Swarm:
    """The clients of a run, on one port of this machine."""

    def __init__(self, port: int) -> None:
        _raise_descriptor_limit()
        self._port = port
        self._epoll = select.epoll()
        self._by_descriptor: dict[int, Client] = {}

    @classmethod
    @contextlib.contextmanager
    def on(cls, port: int) -> Iterator["Swarm"]:
        """Make a swarm and cut all its connections at the end."""
        swarm = cls(port)
        try:
            yield swarm
        finally:
            swarm.close()

    @property
    def clients(self) -> list[Client]:
        """All that were made and not dropped."""
        return list(self._by_descriptor.values())

    def connect(
        self,
        wanted: Iterable[tuple[Request, Stream | None]],
        *,
        at_once: int = 128,
        timeout_s: float = 120,
    ) -> list[Client]:
        """Return clients that have all been served, so many under way at a time.

        Raises:
            ConnectionError: the server refused one, or not all were served in time.
        """
        rest = iter(wanted)
        mine: list[Client] = []
        waiting: list[Client] = []
        deadline = time.monotonic() + timeout_s
        is_all = False
        while not is_all or waiting:
            while not is_all and len(waiting) < at_once:
                item = next(rest, None)
                is_all = item is None
                if item is not None:
                    mine.append(self._start(*item))
                    waiting.append(mine[-1])
            self._poll(0.005)
            if any(client.is_closed for client in waiting):
                raise ConnectionError("closed before it was served")
            waiting = [client for client in waiting if not client.ready_s]
            if time.monotonic() > deadline:
                raise ConnectionError(f"{len(waiting)} not served in {timeout_s} s")
        return mine

    def run(self, is_done: Callable[[], bool], *, timeout_s: float) -> bool:
        """Read until the condition holds, which is looked at 50 times a second."""
        now = time.monotonic()
        deadline, look = now + timeout_s, now
        while now < deadline:
            self._poll(_CHECK_S)
            now = time.monotonic()
            if now >= look:
                if is_done():
                    return True
                look = now + _CHECK_S
        return False

    def rest(self, seconds: float) -> None:
        """Read whatever comes, for so long."""
        self.run(lambda: False, timeout_s=seconds)

    def pause(self, client: Client) -> None:
        """Read nothing more of a client; it is the caller's now."""
        self._epoll.unregister(client.sock)
        client.is_paused = True

    def drop(self, clients: Iterable[Client]) -> None:
        """Cut connections at once."""
        for client in clients:
            self._by_descriptor.pop(client.sock.fileno(), None)
            client.sock.close()

    def close(self) -> None:
        """Cut all connections."""
        self.drop(self.clients)
        self._epoll.close()

    def _start(self, request: Request, stream: Stream | None) -> Client:
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        # Bound to port 0 by connect: bind alone would take a port from all addresses.
        sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        number = 2 + len(self._by_descriptor) // PORTS_PER_ADDRESS
        sock.bind((f"127.0.0.{number}", 0))
        sock.connect_ex(("127.0.0.1", self._port))
        client = Client(sock, request, stream)
        self._by_descriptor[sock.fileno()] = client
        self._epoll.register(sock, select.EPOLLOUT)
        return client

    def _poll(self, timeout_s: float) -> None:
        clients = self._by_descriptor
        for descriptor, events in self._epoll.poll(timeout_s, 4096):
            client = clients.get(descriptor)
            if client is None:
                continue
            if events & select.EPOLLOUT:
                self._epoll.modify(descriptor, select.EPOLLIN)
                client.greet()
            else:
                client.read()
            if client.is_closed:
                self._epoll.unregister(descriptor)


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (65_536, hard):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
            return
