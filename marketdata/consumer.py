"""The WebSocket consumer: connects a socket, a session and the hub.

A thin shell. It never joins a channel-layer group, has no channel, and touches no
database; records come from the hub straight into the session's outbox.
"""

import asyncio
import random
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import structlog
from channels.consumer import AsyncConsumer, get_handler_name
from channels.exceptions import StopConsumer

from marketdata.clients import Client
from marketdata.codes import CloseCode
from marketdata.connections import connections
from marketdata.dialects import Dialect, Figures, Opening, Session
from marketdata.effects import Authenticate, Close, Effect, Join, Leave, Send
from marketdata.encodings import Encoding
from marketdata.exceptions import AuthFailed, InvalidMessage
from marketdata.hub import Hub
from marketdata.origins import is_allowed
from marketdata.outbox import PORT_EXTENSION, AsgiPort, Outbox, Port
from marketdata.runtime import Runtime
from marketdata.topics import Topic

MAX_RECONNECT_MS = 10_000  # clients come back spread over this time

log = structlog.get_logger(__name__)


class LiveConsumer(AsyncConsumer):
    """One client's connection, in the dialect of its path."""

    # An alias that no settings have: Channels then makes no channel for the client.
    channel_layer_alias = "the hub is the member of groups"

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._pairs: set[tuple[Topic, Encoding]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._is_counted = False
        self._hub: Hub
        self._dialect: Dialect
        self._session: Session
        self._port: Port
        self._outbox: Outbox

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve the connection; whatever ends it, nothing of it stays in the hub."""
        options = self._runtime.options
        self._dialect = options.dialect_of(scope["path"])
        opening = Opening(scope["path"], _query(scope), Client())
        self._session = self._dialect.new_session(options.facts, opening)
        port = scope.get("extensions", {}).get(PORT_EXTENSION)
        if port is None:
            port = AsgiPort(send, receive)
            receive = port.receive
        self._port = port
        self._outbox = Outbox(
            self._port, options.facts.max_queue_bytes, self._on_overflow
        )
        try:
            await super().__call__(scope, receive, send)
        except Exception:
            log.exception("session failed", path=scope["path"])
            self._end(CloseCode.SERVER_ERROR, "Server error")
            await self._port.finish()
        finally:
            self._clean_up()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the handler of an ASGI event.

        The original goes through the database thread before each, 170 us and a queue
        behind whatever blocks that thread.
        """
        await getattr(self, get_handler_name(message))(message)

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """Accept, and greet the client if its page may connect."""
        await self.base_send({"type": "websocket.accept"})
        headers = dict(self.scope["headers"])
        origin = headers.get(b"origin")
        if not is_allowed(
            origin and origin.decode("latin1"),
            headers.get(b"host", b"").decode("latin1"),
            self._runtime.options.allowed_origins,
        ):
            self._end(CloseCode.FORBIDDEN, "pages of this origin may not connect")
            return
        connections.clients += 1
        self._is_counted = True
        self._hub = await self._runtime.hub()
        await self._perform(self._session.open(self._hub.catalog))
        self._schedule_heartbeat()

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """Answer a client's frame."""
        if self._outbox.is_closed:
            return
        text = message.get("text")
        frame = (message.get("bytes") or b"") if text is None else text
        limit = self._runtime.options.facts.max_frame_bytes
        size = len(frame) if text is None else len(text.encode())
        if size > limit:
            error = InvalidMessage(f"at most {limit} bytes", f"{size}")
            self._end(CloseCode.MESSAGE_TOO_BIG, str(error))
            return
        effects = self._session.receive(
            frame, catalog=self._hub.catalog, now_us=time.time_ns() // 1_000
        )
        await self._perform(effects)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """Stop: the socket is gone."""
        raise StopConsumer

    async def websocket_shutdown(self, message: dict[str, Any]) -> None:
        """Say good-bye: our server stops (an event of its own, not of ASGI)."""
        self._end(
            CloseCode.GOING_AWAY,
            "Server shutting down",
            reconnect_ms=random.randrange(MAX_RECONNECT_MS),
        )

    # Effects

    async def _perform(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(frame):
                    self._outbox.deliver((frame,))
                case Join():
                    await self._join(effect)
                case Leave(pairs):
                    self._leave(pairs)
                case Authenticate(_, answer):
                    # There are no keys yet, so none is right.
                    await self._perform(answer(AuthFailed("Invalid authentication")))
                case Close():
                    self._close(effect)

    async def _join(self, join: Join) -> None:
        await self._hub.prepare(join.topics)
        # No turn of the loop from here on: nothing of a topic can come before the
        # reply, and nothing between its snapshot and its next record is missed.
        if self._outbox.is_closed:
            return
        for follow in join.follows:
            self._hub.attach(follow.topic, follow.encoding, self._outbox)
        self._count(
            self._pairs.union((item.topic, item.encoding) for item in join.follows)
        )
        reply = join.reply({topic: self._hub.position(topic) for topic in join.topics})
        snapshots = [
            self._hub.snapshot(follow.topic, follow.encoding)
            for follow in join.follows
            if follow.snapshot
        ]
        self._outbox.deliver([frame for frame in (reply, *snapshots) if frame])

    def _leave(self, pairs: Iterable[tuple[Topic, Encoding]]) -> None:
        for topic, encoding in pairs:
            self._hub.detach(topic, encoding, self._outbox)
        self._count(self._pairs.difference(pairs))

    def _count(self, pairs: set[tuple[Topic, Encoding]]) -> None:
        connections.subscriptions += len(pairs) - len(self._pairs)
        self._pairs = pairs

    # Heartbeat and end

    def _schedule_heartbeat(self) -> None:
        interval_s = self._runtime.options.facts.heartbeat_s
        self._timer = asyncio.get_running_loop().call_later(interval_s, self._beat)

    def _beat(self) -> None:
        figures = Figures(self._outbox.sent, self._outbox.queued_bytes, skipped=0)
        frame = self._session.heartbeat(time.time_ns() // 1_000, figures)
        if frame is not None:
            self._outbox.deliver((frame,))
        self._schedule_heartbeat()

    def _on_overflow(self) -> None:
        # The hub may be in the middle of the topic's sinks.
        asyncio.get_running_loop().call_soon(
            self._end,
            CloseCode.TOO_SLOW,
            "the client reads too slowly: its queue is over the limit",
        )

    def _end(self, code: CloseCode, message: str, *, reconnect_ms: int = 0) -> None:
        self._close(self._session.end(code, message, reconnect_ms=reconnect_ms))

    def _close(self, close: Close) -> None:
        self._clean_up()
        self._outbox.close(close.code, close.frame)

    def _clean_up(self) -> None:
        if self._pairs:
            self._leave(self._pairs)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        connections.clients -= self._is_counted
        self._is_counted = False
        self._outbox.is_closed = True


def _query(scope: dict[str, Any]) -> dict[str, str]:
    return dict(parse_qsl(scope["query_string"].decode("latin1")))
