"""A way to a server that a test can cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class CuttableProxy:
    """Passes bytes on, while it is not cut; ``port`` is where it listens."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.connections = 0
        self._target = host, port
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """End all connections at once, and each new one."""
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def restore(self) -> None:
        """Pass connections on again."""
        self._is_cut = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        """Pass one connection on, both ways."""
        if self._is_cut:
            writer.transport.abort()
            return
        self.connections += 1
        their_reader, their_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, their_writer}
        await asyncio.gather(
            self._pass(reader, their_writer), self._pass(their_reader, writer)
        )
        self._writers -= {writer, their_writer}

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def cuttable(host: str, port: int) -> AsyncIterator[CuttableProxy]:
    """Run a proxy to a port of this machine."""
    proxy = CuttableProxy(host, port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()
