"""A Redis connection that carries many commands in one write, and calls back replies.

redis-py makes the connection (addresses, TLS, passwords, databases, Sentinel), then its
stream steps aside: a command costs it some 20 us and a reply 10, here it is under 1
(2 cores, 2026-11).
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import hiredis
from channels_redis.utils import create_pool
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from marketdata.redis_address import layer_host

COMMAND_TIMEOUT_S = 5.0

# A reader that fell behind gets as much in one turn of the loop.
READ_BYTES = 256 * 1024

# A push is a plain list in this version of the protocol, as a reply is.
_OPTIONS = {"protocol": 2, "socket_connect_timeout": COMMAND_TIMEOUT_S}

OnReply = Callable[[Any], None]
OnRead = Callable[[], None]


def _do_nothing() -> None:
    """Do nothing."""


def _ignore(reply: Any) -> None:
    """Take a reply that nobody waits for."""


class RedisPipe(asyncio.BufferedProtocol):
    """One connection. Replies and messages come to ``on_reply`` as they are read.

    A list is a message of pub/sub, or what a command returned; a
    `hiredis.ReplyError` says that a command failed. ``on_read`` is called behind all
    that came in one read.
    """

    def __init__(
        self, writer: asyncio.StreamWriter, on_reply: OnReply, on_read: OnRead
    ) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writer = writer  # it would close the transport when it is collected
        self._transport = writer.transport
        self._on_reply = on_reply
        self._on_read = on_read
        self._reader = hiredis.Reader()
        self._buffer = bytearray(READ_BYTES)

    def write(self, data: bytes) -> None:
        """Send commands, as ``pack`` gives them; what is lost is told by ``lost``."""
        if not self._transport.is_closing():  # uvloop raises then
            self._transport.write(data)

    def close(self) -> None:
        """Close the connection; replies come no more."""
        self._on_reply, self._on_read = _ignore, _do_nothing
        self._transport.abort()

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where the next read goes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Call back each reply that is complete."""
        reader, gets = self._reader, self._reader.gets
        # Its stub says bytes; any buffer will do.
        reader.feed(self._buffer, 0, nbytes)  # type: ignore[arg-type]
        while (reply := gets()) is not False:
            self._on_reply(reply)
        self._on_read()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that nothing comes any more."""
        if not self.lost.done():
            self.lost.set_result(None)


def redis_pool(url: str, **options: Any) -> ConnectionPool:
    """Return a pool for the address, one of Sentinels included; nothing is connected.

    Raises:
        ValueError: it is no address.
    """
    host = layer_host(url) | _OPTIONS | options
    return cast(ConnectionPool, create_pool(host))


def redis_client(url: str) -> Redis:
    """Return a client for commands now and then, each with a time limit."""
    return Redis.from_pool(redis_pool(url, socket_timeout=COMMAND_TIMEOUT_S))


async def close_pool(pool: ConnectionPool) -> None:
    """Close the pool's connections; it can be used again."""
    await pool.disconnect()
    manager = getattr(pool, "sentinel_manager", None)
    for sentinel in manager.sentinels if manager else ():
        await sentinel.connection_pool.disconnect()


async def open_pipe(
    pool: ConnectionPool, on_reply: OnReply, on_read: OnRead = _do_nothing
) -> RedisPipe:
    """Return a new connection to the server that the pool knows.

    Args:
        pool: made with ``protocol=2``, and for this alone.

    Raises:
        redis.exceptions.RedisError, OSError: there is none.
    """
    connection = cast(Any, pool).make_connection()
    try:
        await connection.connect()
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    finally:
        await close_pool(pool)  # of what it needed to ask Sentinels
    writer: asyncio.StreamWriter = connection._writer
    # Or it would complain, when it is collected, that nobody closed it.
    connection._reader = connection._writer = None
    pipe = RedisPipe(writer, on_reply, on_read)
    writer.transport.set_protocol(pipe)
    if writer.transport.is_closing():
        raise RedisConnectionError("the connection was closed at once")
    return pipe


def pack(*parts: bytes) -> bytes:
    """Return a command as Redis reads it."""
    return b"*%d\r\n%b" % (
        len(parts),
        b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts),
    )
