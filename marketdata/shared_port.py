"""A TCP port on which several processes listen, each on a socket of its own."""

import socket
from typing import Any


class SharedPort:
    """Holds a port and makes sockets of it, among which the kernel deals connects.

    It never listens itself: with a socket that we held open, too, a dead process would
    get its part of the connects, and they would wait for nobody. ``port`` 0 is any that
    is free.

    Raises:
        OSError: somebody else listens there, or there is no such host.
    """

    def __init__(self, host: str, port: int) -> None:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        self._family: socket.AddressFamily = found[0][0]
        address = found[0][4]
        # Sockets with SO_REUSEPORT would share with those of another server of ours.
        with socket.socket(self._family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
        self._address: Any = address
        self._held = self.bind()
        self._address = self._held.getsockname()

    @property
    def host(self) -> str:
        """The address, as a number."""
        return str(self._address[0])

    @property
    def number(self) -> int:
        """The port, never 0."""
        return int(self._address[1])

    def bind(self) -> socket.socket:
        """Return a socket of the port, which does not listen yet."""
        bound = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound.bind(self._address)
        except OSError:
            bound.close()
            raise
        return bound

    def close(self) -> None:
        """Let the port go."""
        self._held.close()
