"""Channels that are kept subscribed, on a connection made again whenever it is lost."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import structlog
from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from marketdata.redis_pipe import RedisPipe, open_pipe, pack

# Shorter than the publisher's: who listens should be back before who speaks.
RETRY_MIN_S = 0.1
RETRY_MAX_S = 0.5
# Redis answers in under 1 ms, but a loop that is busy with a storm of clients may not.
CONNECT_TIMEOUT_S = 3.0
# Notices a peer that vanished without closing: nothing came for two of them.
PING_S = 15.0

log = structlog.get_logger(__name__)


class RedisSubscriber:
    """Calls ``on_message`` with each (channel, data) of its channels, as it is read.

    ``on_read`` is called behind all that came in one read.

    Belongs to one event loop. ``reconnects`` counts the subscriptions that were made
    again after a loss.
    """

    def __init__(
        self,
        make_pool: Callable[[], ConnectionPool],
        on_message: Callable[[str, bytes], None],
        on_read: Callable[[], None],
    ) -> None:
        self.reconnects = 0
        self._make_pool = make_pool
        self._on_message = on_message
        self._on_read = on_read
        # Whether Redis confirmed the channel on this connection.
        self._confirmed: dict[str, asyncio.Event] = {}
        self._lost: set[str] = set()  # channels that were confirmed on an earlier one
        self._pipe: RedisPipe | None = None
        self._connected = asyncio.Event()
        self._has_heard = False
        self._task: asyncio.Task[None] | None = None

    async def subscribe(self, channel: str) -> None:
        """Want the channel's messages; after an error it is still wanted.

        Raises:
            redis.exceptions.RedisError: Redis is away.
        """
        if channel not in self._confirmed:
            self._confirmed[channel] = asyncio.Event()
            self._write(b"SUBSCRIBE", channel)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="redis subscriber")
        if not self._connected.is_set():
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await self._connected.wait()
            except TimeoutError as exc:
                raise RedisConnectionError("Redis is away") from exc

    async def confirm(self, channel: str) -> None:
        """Do the same, and return when Redis has answered: nothing later is missed.

        Raises:
            redis.exceptions.RedisError, TimeoutError: Redis is away.
        """
        await self.subscribe(channel)
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await self._confirmed[channel].wait()

    def unsubscribe(self, channel: str) -> None:
        """Want no more messages of the channel; harmless if it was not wanted."""
        self._lost.discard(channel)
        if self._confirmed.pop(channel, None) is not None:
            self._write(b"UNSUBSCRIBE", channel)

    async def close(self) -> None:
        """Leave all channels and close the connection; it can be used again."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._confirmed.clear()

    def _write(self, command: bytes, channel: str) -> None:
        if self._pipe is not None:
            self._pipe.write(pack(command, channel.encode()))

    async def _run(self) -> None:
        failures, was_lost = 0, False
        while True:
            try:
                self._pipe = await open_pipe(
                    self._make_pool(), self._take, self._on_read
                )
                if was_lost:
                    log.info("channel layer has Redis again")
                failures = 0
                await self._keep(self._pipe)
                error = "connection lost"
            except (RedisError, OSError) as exc:
                error = str(exc)
            finally:
                if self._pipe is not None:
                    self._pipe.close()
                self._pipe = None
                self._note_loss()
            if not failures:
                log.warning("channel layer lost Redis", error=error)
            was_lost = True
            delay_s = min(RETRY_MIN_S * 2**failures, RETRY_MAX_S)
            failures = min(failures + 1, 10)
            await asyncio.sleep(delay_s * random.uniform(0.5, 1.5))

    async def _keep(self, pipe: RedisPipe) -> None:
        """Subscribe to all that is wanted; return when the connection is lost."""
        if self._confirmed:
            names = [channel.encode() for channel in self._confirmed]
            pipe.write(pack(b"SUBSCRIBE", *names))
        self._connected.set()
        while not pipe.lost.done():
            self._has_heard = False
            pipe.write(pack(b"PING"))
            await asyncio.wait({pipe.lost}, timeout=PING_S)
            if not self._has_heard:
                return

    def _note_loss(self) -> None:
        self._connected.clear()
        for channel, confirmed in self._confirmed.items():
            if confirmed.is_set():
                self._lost.add(channel)
                confirmed.clear()

    def _take(self, reply: Any) -> None:
        self._has_heard = True
        if type(reply) is not list:
            return
        kind = reply[0]
        if kind == b"message":
            self._on_message(reply[1].decode(), reply[2])
        elif kind == b"subscribe":
            channel = reply[1].decode()
            confirmed = self._confirmed.get(channel)
            if confirmed is not None:
                self.reconnects += channel in self._lost
                self._lost.discard(channel)
                confirmed.set()
