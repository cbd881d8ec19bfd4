"""Publishes batches of messages over one Redis connection, and awaits the answers."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from marketdata.redis_pipe import RedisPipe, open_pipe

PUBLISH_TIMEOUT_S = 5.0  # a batch of 500 messages is answered in some 2 ms


class _Batch:
    """Commands on their way: replies that are missing, and who waits for them."""

    __slots__ = ("answered", "error", "missing")

    def __init__(self, missing: int) -> None:
        self.missing = missing
        self.error: Exception | None = None
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class PublishingPipe:
    """Publishes batches over a connection that is made at the first, and after a loss.

    Batches of several tasks are on their way together, in the order of the calls.
    """

    def __init__(self, make_pool: Callable[[], ConnectionPool]) -> None:
        self._make_pool = make_pool
        self._pipe: RedisPipe | None = None
        self._opening = asyncio.Lock()
        self._batches: deque[_Batch] = deque()

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish (channel, message) pairs in order; return when Redis has them all.

        Raises:
            redis.exceptions.RedisError, OSError, TimeoutError: some may not have come.
        """
        if not messages:
            return
        pipe = self._pipe
        if pipe is None or pipe.lost.done():
            pipe = await self._open()
        batch = _Batch(len(messages))
        self._batches.append(batch)
        pipe.write(pack_publishes(messages))
        timer = asyncio.get_running_loop().call_later(
            PUBLISH_TIMEOUT_S, self._fail, TimeoutError("Redis does not answer")
        )
        try:
            await batch.answered
        except asyncio.CancelledError:
            # Late replies must not be taken for the next batch's.
            self._fail(RedisConnectionError("the connection was closed"))
            raise
        finally:
            timer.cancel()

    def close(self) -> None:
        """Close the connection; the next batch makes another."""
        self._fail(RedisConnectionError("the connection was closed"))

    async def _open(self) -> RedisPipe:
        async with self._opening:
            if self._pipe is None or self._pipe.lost.done():
                pipe = await open_pipe(self._make_pool(), self._take)
                pipe.lost.add_done_callback(partial(self._lose, pipe))
                self._pipe = pipe
            return self._pipe

    def _take(self, reply: Any) -> None:
        batch = self._batches[0]
        batch.missing -= 1
        if isinstance(reply, Exception):
            batch.error = ResponseError(str(reply))
        if batch.missing:
            return
        self._batches.popleft()
        if batch.answered.done():
            return
        if batch.error is None:
            batch.answered.set_result(None)
        else:
            batch.answered.set_exception(batch.error)

    def _lose(self, pipe: RedisPipe, lost: "asyncio.Future[None]") -> None:
        if self._pipe is pipe:
            self._fail(RedisConnectionError("connection lost"))

    def _fail(self, error: Exception) -> None:
        """Close the connection, and tell all who wait for it."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()
        batches, self._batches = self._batches, deque()
        for batch in batches:
            if not batch.answered.done():
                batch.answered.set_exception(error)


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
