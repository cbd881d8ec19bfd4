"""The channel layer of market data: Redis pub/sub with batches and direct listeners.

A normal channel layer in all respects. Beyond that, one pipeline carries all publishes
of a turn, and a listener gets a group's messages in the read callback: there is no
queue between the socket and the hub that could grow without bound.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from channels_redis.pubsub import (
    RedisPubSubChannelLayer,
    RedisPubSubLoopLayer,
    RedisSingleShardConnection,
)
from channels_redis.utils import _wrap_close, create_pool, decode_hosts
from redis.asyncio import ConnectionPool

from marketdata.redis_publishing import PublishingPipe
from marketdata.redis_subscriber import RedisSubscriber

Message = dict[str, Any]
Listener = Callable[[Message], None]

# Notices a peer that vanished without closing; redis-py leaves both off.
_CONNECTION_DEFAULTS = {
    "socket_keepalive": True,
    "health_check_interval": 15,
    "socket_connect_timeout": 5,
}

log = structlog.get_logger(__name__)


class _Shard(RedisSingleShardConnection):
    """One Redis server, with connections to listen, for batches, and for the rest."""

    def __init__(self, host: dict[str, Any], channel_layer: "_LoopLayer") -> None:
        super().__init__(_CONNECTION_DEFAULTS | host, channel_layer)
        self.subscriber = RedisSubscriber(
            self._make_pool, self._deliver, channel_layer.run_deferred
        )
        self._publishing = PublishingPipe(self._make_pool)

    async def publish_many(self, messages: Sequence[tuple[str, bytes]]) -> None:
        await self._publishing.publish(messages)

    async def subscribe(self, channel: str) -> None:
        await self.subscriber.subscribe(channel)

    async def unsubscribe(self, channel: str) -> None:
        self.subscriber.unsubscribe(channel)

    async def count_subscribers(self, channel: str) -> int:
        async with self._lock:
            self._ensure_redis()
            ((_, count),) = await self._redis.pubsub_numsub(channel)
            return int(count)

    async def flush(self) -> None:
        await self.subscriber.close()
        self._publishing.close()
        await super().flush()

    def _make_pool(self) -> ConnectionPool:
        # A message is a plain list in this version of the protocol, as a reply is.
        return create_pool({**self.host, "protocol": 2})

    def _deliver(self, name: str, data: bytes) -> None:
        layer = self.channel_layer
        layer.is_reading = True
        listener = layer.listeners.get(name)
        if listener is not None:
            try:
                listener(layer.channel_layer.deserialize(data))
            except Exception:  # one bad message must not stop the reader of all
                log.exception("message could not be delivered", group=name)
        if name in layer.channels or name in layer.groups:
            super()._receive_message({"channel": name, "data": data})


class _LoopLayer(RedisPubSubLoopLayer):
    """The layer's connections and members in one event loop."""

    def __init__(self, hosts: Sequence[Any] | None = None, **options: Any) -> None:
        super().__init__(hosts=hosts, **options)
        self.is_reading = False
        self._deferred: list[Callable[[], None]] = []
        self._shards = [_Shard(host, self) for host in decode_hosts(hosts)]
        self.listeners: dict[str, Listener] = {}

    async def group_send_many(self, messages: Sequence[tuple[str, Message]]) -> None:
        batches = defaultdict(list)
        for group, message in messages:
            name = self._get_group_channel_name(group)
            batches[self._get_shard(name)].append(
                (name, self.channel_layer.serialize(message))
            )
        for shard, batch in batches.items():
            await shard.publish_many(batch)

    async def listen(self, group: str, listener: Listener) -> None:
        name = self._get_group_channel_name(group)
        self.listeners[name] = listener
        await self._get_shard(name).subscriber.confirm(name)

    async def stop_listening(self, group: str) -> None:
        name = self._get_group_channel_name(group)
        self.listeners.pop(name, None)
        if name not in self.groups:
            await self._get_shard(name).unsubscribe(name)

    async def count_listeners(self, group: str) -> int:
        name = self._get_group_channel_name(group)
        return await self._get_shard(name).count_subscribers(name)

    def defer(self, callback: Callable[[], None]) -> None:
        if self.is_reading:
            self._deferred.append(callback)
        else:
            asyncio.get_running_loop().call_soon(callback)

    def run_deferred(self) -> None:
        self.is_reading = False
        deferred, self._deferred = self._deferred, []
        for callback in deferred:
            callback()

    async def group_discard(self, group: str, channel: str) -> None:
        await super().group_discard(group, channel)
        name = self._get_group_channel_name(group)
        if name in self.listeners:
            await self._get_shard(name).subscribe(name)

    async def flush(self) -> None:
        self.listeners.clear()
        await super().flush()

    def reconnects(self) -> int:
        return sum(shard.subscriber.reconnects for shard in self._shards)


class MarketDataChannelLayer(RedisPubSubChannelLayer):
    """`RedisPubSubChannelLayer` with batches and direct listeners.

    Group names get the layer's ``prefix`` (setting `CHANNEL_PREFIX`).
    """

    async def group_send_many(self, messages: Sequence[tuple[str, Message]]) -> None:
        """Send each (group, message) in order, in one round trip per Redis server.

        Raises:
            redis.exceptions.RedisError, OSError: Redis is away, some may be sent.
        """
        await self._get_layer().group_send_many(messages)

    async def listen(self, group: str, listener: Listener) -> None:
        """Call ``listener`` with each message of the group, in order, in this loop.

        One listener per group and loop; it must not block. Returns when Redis has
        confirmed: messages sent later are not missed. After an error the listener stays
        registered, so call again until it succeeds, or ``stop_listening``.

        Raises:
            redis.exceptions.RedisError, OSError, TimeoutError: Redis is away.
        """
        await self._get_layer().listen(group, listener)

    async def stop_listening(self, group: str) -> None:
        """Forget the group's listener and leave the group.

        Raises:
            redis.exceptions.RedisError, OSError: Redis is away.
        """
        await self._get_layer().stop_listening(group)

    async def count_listeners(self, group: str) -> int:
        """Return how many connections to Redis get the group's messages.

        Raises:
            redis.exceptions.RedisError, OSError: Redis is away.
        """
        return await self._get_layer().count_listeners(group)

    def defer(self, callback: Callable[[], None]) -> None:
        """Call it behind all messages of the read that calls listeners now, or soon.

        It must not raise.
        """
        self._get_layer().defer(callback)

    def reconnects(self) -> int:
        """Return how many subscriptions of this loop were made again after a loss."""
        return self._get_layer().reconnects()

    def _get_layer(self) -> _LoopLayer:
        loop = asyncio.get_running_loop()
        layer = self._layers.get(loop)
        if layer is None:
            layer = _LoopLayer(*self._args, **self._kwargs, channel_layer=self)
            self._layers[loop] = layer
            _wrap_close(self, loop)
        return layer
