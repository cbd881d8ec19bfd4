"""The channel layer of market data: Redis pub/sub with batches and direct listeners.

A normal channel layer in all respects. Beyond that, one pipeline carries all publishes
of a turn, and a listener gets a group's messages in the read callback: there is no
queue between the socket and the hub that could grow without bound.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from channels_redis.pubsub import (
    RedisPubSubChannelLayer,
    RedisPubSubLoopLayer,
    RedisSingleShardConnection,
)
from channels_redis.utils import _wrap_close, decode_hosts
from redis.exceptions import RedisError

Message = dict[str, Any]
Listener = Callable[[Message], None]

LISTEN_TIMEOUT_S = 1.0  # Redis confirms in under 1 ms; longer means that it is away
_READ_TIMEOUT_S = 1.0  # how often an idle connection looks whether to ping
_IDLE_S = 0.1
# Shorter than the publisher's: who listens should be back before who speaks.
_RETRY_CAP_S = 0.5
# Notices a peer that vanished without closing; redis-py leaves both off.
_CONNECTION_DEFAULTS = {"socket_keepalive": True, "health_check_interval": 15}

log = structlog.get_logger(__name__)


class _Shard(RedisSingleShardConnection):
    """One Redis server: our reader, confirmed subscriptions, publishes in batches."""

    def __init__(self, host: dict[str, Any], channel_layer: "_LoopLayer") -> None:
        super().__init__(_CONNECTION_DEFAULTS | host, channel_layer)
        self._confirmations: defaultdict[str, asyncio.Event] = defaultdict(
            asyncio.Event
        )
        self.reconnects = 0

    async def publish_many(self, messages: Sequence[tuple[str, bytes]]) -> None:
        async with self._lock:
            self._ensure_redis()
            pipeline = self._redis.pipeline(transaction=False)
            for channel, message in messages:
                pipeline.publish(channel, message)
            await pipeline.execute()

    async def confirm(self, channel: str) -> None:
        """Subscribe and wait until Redis has answered: nothing later is missed."""
        await self.subscribe(channel)
        await asyncio.wait_for(
            self._confirmations[channel].wait(), timeout=LISTEN_TIMEOUT_S
        )

    async def unsubscribe(self, channel: str) -> None:
        self._confirmations.pop(channel, None)
        await super().unsubscribe(channel)

    async def flush(self) -> None:
        self._confirmations.clear()
        await super().flush()

    async def _do_receiving(self) -> None:
        # The original ignores confirmations, and logs a stack trace each second while
        # Redis is away.
        failures = 0
        while True:
            try:
                if not self._pubsub.subscribed:
                    await asyncio.sleep(_IDLE_S)
                    continue
                message = await self._pubsub.get_message(timeout=_READ_TIMEOUT_S)
            except (RedisError, OSError) as exc:
                if not failures:
                    log.warning("channel layer lost Redis", error=str(exc))
                await asyncio.sleep(
                    min(_IDLE_S * 2**failures, _RETRY_CAP_S) * random.uniform(0.5, 1.5)
                )
                failures += 1
            else:
                failures = 0
                self._receive_message(message)

    def _receive_message(self, message: Message | None) -> None:
        if message is None:
            return
        if message["type"] == "message":
            self._deliver(message["channel"].decode(), message["data"])
        elif message["type"] == "subscribe":
            self._note_confirmation(message["channel"].decode())

    def _deliver(self, name: str, data: bytes) -> None:
        layer = self.channel_layer
        listener = layer.listeners.get(name)
        if listener is not None:
            try:
                listener(layer.channel_layer.deserialize(data))
            except Exception:  # one bad message must not stop the reader of all
                log.exception("message could not be delivered", group=name)
        if name in layer.channels or name in layer.groups:
            super()._receive_message({"channel": name, "data": data})

    def _note_confirmation(self, name: str) -> None:
        if name not in self._subscribed_to and name not in self._confirmations:
            return
        confirmation = self._confirmations[name]
        if confirmation.is_set():
            # redis-py subscribes again by itself after a lost connection.
            self.reconnects += 1
        confirmation.set()


class _LoopLayer(RedisPubSubLoopLayer):
    """The layer's connections and members in one event loop."""

    def __init__(self, hosts: Sequence[Any] | None = None, **options: Any) -> None:
        super().__init__(hosts=hosts, **options)
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
        await self._get_shard(name).confirm(name)

    async def stop_listening(self, group: str) -> None:
        name = self._get_group_channel_name(group)
        self.listeners.pop(name, None)
        if name not in self.groups:
            await self._get_shard(name).unsubscribe(name)

    async def group_discard(self, group: str, channel: str) -> None:
        await super().group_discard(group, channel)
        name = self._get_group_channel_name(group)
        if name in self.listeners:
            await self._get_shard(name).subscribe(name)

    async def flush(self) -> None:
        self.listeners.clear()
        await super().flush()

    def reconnects(self) -> int:
        return sum(shard.reconnects for shard in self._shards)


class MarketDataChannelLayer(RedisPubSubChannelLayer):
    """`RedisPubSubChannelLayer` with batches and direct listeners.

    Group names get the layer's ``prefix`` (setting `CHANNEL_PREFIX`).
    """

    async def group_send_many(self, messages: Sequence[tuple[str, Message]]) -> None:
        """Send each (group, message) in order, in one round trip per Redis server.

        Raises:
            redis.exceptions.RedisError: Redis is away; some may have been sent.
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
