"""A Redis connection that carries many commands in one write, and calls back replies.

redis-py makes the connection (addresses, TLS, passwords, databases, Sentinel), then its
stream steps aside: a command costs it some 20 us and a reply 10, here it is under 1
(2 cores, 2026-11).
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import hiredis
from channels_redis.utils import create_pool
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from marketdata.redis_address import layer_host

COMMAND_TIMEOUT_S = 5.0
PUBLISH_TIMEOUT_S = 5.0  # a batch of 500 messages is answered in some 2 ms

# A push is a plain list in this version of the protocol, as a reply is.
_OPTIONS = {"protocol": 2, "socket_connect_timeout": COMMAND_TIMEOUT_S}

OnReply = Callable[[Any], None]


class RedisPipe(asyncio.Protocol):
    """One connection. Replies and messages come to ``on_reply`` as they are read.

    A list is a message of pub/sub, or what a command returned; a
    `hiredis.ReplyError` says that a command failed.
    """

    def __init__(self, writer: asyncio.StreamWriter, on_reply: OnReply) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writer = writer  # it would close the transport when it is collected
        self._transport = writer.transport
        self._on_reply = on_reply
        self._reader = hiredis.Reader()

    def write(self, data: bytes) -> None:
        """Send commands, as ``pack`` gives them; what is lost is told by ``lost``."""
        if not self._transport.is_closing():  # uvloop raises then
            self._transport.write(data)

    def close(self) -> None:
        """Close the connection; replies come no more."""
        self._on_reply = _ignore
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Call back each reply that is complete."""
        reader, gets = self._reader, self._reader.gets
        reader.feed(data)
        while (reply := gets()) is not False:
            self._on_reply(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that nothing comes any more."""
        if not self.lost.done():
            self.lost.set_result(None)


class PublishingPipe:
    """Publishes batches over a connection that is made at the first, and after a loss.

    One batch at a time: who calls from several tasks has a lock.
    """

    def __init__(self, make_pool: Callable[[], ConnectionPool]) -> None:
        self._make_pool = make_pool
        self._pipe: RedisPipe | None = None
        self._missing = 0  # replies to the batch that is on its way
        self._error: Exception | None = None
        self._answered: asyncio.Future[None] | None = None

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish (channel, message) pairs in order; return when Redis has them all.

        Raises:
            redis.exceptions.RedisError, OSError, TimeoutError: some may not have come.
        """
        if not messages:
            return
        if self._pipe is None or self._pipe.lost.done():
            self._pipe = await open_pipe(self._make_pool(), self._take)
        pipe = self._pipe
        self._missing, self._error = len(messages), None
        self._answered = asyncio.get_running_loop().create_future()
        pipe.lost.add_done_callback(self._lose)
        pipe.write(pack_publishes(messages))
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                await self._answered
        except BaseException:
            self.close()  # late replies must not be taken for the next batch's
            raise
        pipe.lost.remove_done_callback(self._lose)

    def close(self) -> None:
        """Close the connection; the next batch makes another."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _take(self, reply: Any) -> None:
        self._missing -= 1
        if isinstance(reply, Exception):
            self._error = ResponseError(str(reply))
        answered = self._answered
        if self._missing or answered is None or answered.done():
            return
        if self._error is None:
            answered.set_result(None)
        else:
            answered.set_exception(self._error)

    def _lose(self, lost: "asyncio.Future[None]") -> None:
        if self._answered and not self._answered.done():
            self._answered.set_exception(RedisConnectionError("connection lost"))


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


async def open_pipe(pool: ConnectionPool, on_reply: OnReply) -> RedisPipe:
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
    pipe = RedisPipe(writer, on_reply)
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


def pack_publishes(messages: Iterable[tuple[str, bytes]]) -> bytes:
    """Return the PUBLISH commands of (channel, message) pairs."""
    parts = []
    for channel, message in messages:
        name = channel.encode()
        parts.append(
            b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n"
            % (len(name), name, len(message), message)
        )
    return b"".join(parts)


def _ignore(reply: Any) -> None:
    """Take a reply that nobody waits for."""
