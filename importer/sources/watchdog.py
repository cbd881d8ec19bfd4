"""Ends requests that take too long in all, by shutting down their sockets.

A time-out of a socket begins anew with each byte, so a server that sends one now and
then holds a reader for ever, in its headers as well as in its body. What the watchdog
does not bound is the system's own look-up of a name, which has limits of its own.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import urllib3.connection
import urllib3.connectionpool

_thread = threading.local()


class Guard:
    """One request: its connection as soon as there is one, and whether it was cut."""

    def __init__(self) -> None:
        self.is_cut = False
        self._connection: Any = None

    def watch(self, connection: Any) -> None:
        """Take the connection that the request uses from now on."""
        self._connection = connection
        if self.is_cut:
            self.cut()

    def cut(self) -> None:
        """End the request: whoever reads from its socket gets an error or its end."""
        self.is_cut = True
        sock = getattr(self._connection, "sock", None)
        if isinstance(sock, socket.socket):
            # The plain method: that of a TLS socket would pull its state from under the
            # thread which reads.
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Watchdog:
    """Guards the requests of a client, each in the thread that makes it."""

    def __init__(self) -> None:
        self._guards: set[Guard] = set()
        self._lock = threading.Lock()

    @contextmanager
    def guard(self, limit_s: float) -> Iterator[Guard]:
        """Cut what this thread requests inside the block after ``limit_s``."""
        guard = Guard()
        timer = threading.Timer(limit_s, guard.cut)
        timer.daemon = True
        with self._lock:
            self._guards.add(guard)
        _thread.guard = guard
        timer.start()
        try:
            yield guard
        finally:
            timer.cancel()
            _thread.guard = None
            with self._lock:
                self._guards.discard(guard)

    def cut_all(self) -> None:
        """End all requests that are under way."""
        with self._lock:
            guards = list(self._guards)
        for guard in guards:
            guard.cut()


def _show(connection: Any) -> None:
    if guard := getattr(_thread, "guard", None):
        guard.watch(connection)


class _Connection(urllib3.connection.HTTPConnection):
    def connect(self) -> None:
        _show(self)
        super().connect()
        _show(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _show(self)
        super().request(*args, **kwargs)


class _TlsConnection(urllib3.connection.HTTPSConnection):
    def connect(self) -> None:
        _show(self)
        super().connect()
        _show(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _show(self)
        super().request(*args, **kwargs)


class GuardedPool(urllib3.connectionpool.HTTPConnectionPool):
    """Connections that show themselves to the guard of the thread that uses them."""

    ConnectionCls = _Connection


class GuardedTlsPool(urllib3.connectionpool.HTTPSConnectionPool):
    """The same for https."""

    ConnectionCls = _TlsConnection
