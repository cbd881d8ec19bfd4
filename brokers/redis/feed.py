"""The connection to Redis channels of other systems."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from brokers.demand import Change
from brokers.exceptions import FeedLost, MalformedFrame
from brokers.feed import Emit, FeedCounters, FollowedInstrument
from brokers.redis.messages import (
    BROKER,
    GATEWAY_PATTERN,
    gateway_name,
    gateway_symbol,
    is_stream_name,
    parse_envelope,
    parse_gateway_trade,
)
from brokers.redis.upstream import Upstream
from brokers.run_together import run_together
from marketdata.records import Foreign, Kind
from marketdata.redis_pipe import RedisPipe, open_pipe, pack

PING_S = 5.0
# Redis is ours: hammering it a little is better than clients that wait.
MAX_DELAY_S = 2.0
MAX_KNOWN_CHANNELS = 20_000
LOG_EVERY_S = 10.0

log = structlog.get_logger(__name__)


class RedisFeed:
    """Follows C's trades by their pattern, always, and B's channels while demanded.

    What nobody demands is dropped unread. ``upstream`` is told of the symbols of C
    that are demanded.
    """

    broker = BROKER
    is_simulated = False

    def __init__(
        self, make_pool: Callable[[], ConnectionPool], upstream: Upstream
    ) -> None:
        self.counters = FeedCounters()
        self._make_pool = make_pool
        self._upstream = upstream
        self._demanded: set[str] = set()
        self._streams: dict[bytes, str] = {}  # B's channels that are demanded
        self._names: dict[bytes, str | None] = {}  # of C's channels seen
        self._pipe: RedisPipe | None = None
        self._emit: Emit = _ignore
        self._batch: list[Foreign] = []
        self._logged_s = -LOG_EVERY_S

    def follow(self, instruments: Sequence[FollowedInstrument]) -> None:
        """Do nothing: there are no instruments here."""

    def demand(self, change: Change) -> None:
        """Follow what hubs follow; returns at once."""
        for topic in change.added:
            if topic.kind is Kind.FOREIGN:
                self._add(topic.symbol)
        for topic in change.removed:
            if topic.kind is Kind.FOREIGN:
                self._remove(topic.symbol)

    async def run(self, emit: Emit) -> None:
        """Connect once and hand records to ``emit`` until the connection ends.

        Raises:
            FeedLost: the connection ended or could not be made. Never returns.
        """
        try:
            pipe = await open_pipe(self._make_pool(), self._take, self._emit_batch)
        except (RedisError, OSError) as exc:
            raise FeedLost(f"{type(exc).__name__}: {exc}") from exc
        self._pipe, self._emit = pipe, emit
        try:
            await run_together(self._read(pipe), self._upstream.run())
        finally:
            self._pipe = None
            pipe.close()

    async def _read(self, pipe: RedisPipe) -> None:
        pipe.write(pack(b"PSUBSCRIBE", GATEWAY_PATTERN))
        if self._streams:
            pipe.write(pack(b"SUBSCRIBE", *self._streams))
        log.info("subscribed", broker=BROKER, streams=len(self._streams))
        while not pipe.lost.done():
            await asyncio.wait({pipe.lost}, timeout=PING_S)
            # Its answer is counted as received, so a quiet Redis is not silent.
            pipe.write(pack(b"PING"))
        raise FeedLost("Redis closed the connection")

    def _add(self, name: str) -> None:
        symbol = gateway_symbol(name)
        if symbol is not None:
            self._demanded.add(name)
            self._upstream.want(symbol)
        elif is_stream_name(name):
            channel = name.encode()
            self._streams[channel] = name
            if self._pipe is not None:
                self._pipe.write(pack(b"SUBSCRIBE", channel))

    def _remove(self, name: str) -> None:
        symbol = gateway_symbol(name)
        if symbol is not None:
            self._demanded.discard(name)
            self._upstream.drop(symbol)
        elif self._streams.pop(name.encode(), None) and self._pipe is not None:
            self._pipe.write(pack(b"UNSUBSCRIBE", name.encode()))

    # On the way of every message

    def _take(self, reply: Any) -> None:
        self.counters.received += 1
        if type(reply) is not list:
            if isinstance(reply, Exception):
                log.error("Redis refused a command", broker=BROKER, error=str(reply))
            return
        kind = reply[0]
        if kind == b"pmessage":
            name, parse = self._gateway_name(reply[2]), parse_gateway_trade
            if name not in self._demanded:
                return
        elif kind == b"message":
            name, parse = self._streams.get(reply[1]), parse_envelope
        else:
            return
        if name is None:
            return
        try:
            record = parse(name, reply[-1], time.time_ns() // 1_000)
        except MalformedFrame as exc:
            self._note_malformed(name, exc)
            return
        self._batch.append(record)

    def _emit_batch(self) -> None:
        # All messages of one read from the socket are published together.
        if self._batch:
            batch, self._batch = self._batch, []
            self._emit(batch)

    def _gateway_name(self, channel: bytes) -> str | None:
        try:
            return self._names[channel]
        except KeyError:
            if len(self._names) >= MAX_KNOWN_CHANNELS:
                self._names.clear()
            name = self._names[channel] = gateway_name(channel)
            return name

    def _note_malformed(self, name: str, exc: MalformedFrame) -> None:
        self.counters.malformed += 1
        now_s = time.monotonic()
        if now_s - self._logged_s >= LOG_EVERY_S:
            self._logged_s = now_s
            log.warning(
                "malformed message",
                channel=name,
                error=str(exc),
                malformed=self.counters.malformed,
            )


def _ignore(records: Sequence[object]) -> None:
    """Take records before the first connection, of which there are none."""
