"""The WebSocket consumer: connects a socket, a session and the hub.

A thin shell. It never joins a channel-layer group, has no channel, and touches no
database; records come from the hub straight into the session's outbox.
"""

import asyncio
import random
import time
from collections.abc import Iterable
from typing import Any

import structlog
from channels.consumer import AsyncConsumer, get_handler_name
from channels.exceptions import StopConsumer
from structlog.contextvars import bind_contextvars

from marketdata.admission import Refused, query_of
from marketdata.asgi_port import AsgiPort
from marketdata.catch_up import CatchUps
from marketdata.client_watch import ClientWatch
from marketdata.clients import Client
from marketdata.codes import CloseCode
from marketdata.connection_limits import Place
from marketdata.connections import connections
from marketdata.dialects import Opening, Session
from marketdata.effects import Authenticate, Close, Effect, Join, Leave, OpenFeed, Send
from marketdata.encodings import Encoding
from marketdata.exceptions import AuthFailed, InvalidMessage
from marketdata.hub import Hub
from marketdata.limited_log import LimitedLog
from marketdata.listed_client import ListedClient, Origin
from marketdata.outbox import PORT_EXTENSION, Outbox, Port
from marketdata.private_claims import PrivateClaims
from marketdata.runtime import Runtime
from marketdata.stale import stale_snapshots
from marketdata.topics import Topic
from marketdata.wire import Batch

MAX_RECONNECT_MS = 10_000  # clients come back spread over this time

log = structlog.get_logger(__name__)
events = LimitedLog(log)


class LiveConsumer(AsyncConsumer):
    """One client's connection, in the dialect of its path."""

    # An alias that no settings have: Channels then makes no channel for the client.
    channel_layer_alias = "the hub is the member of groups"

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._options = runtime.options
        self._pairs: set[tuple[Topic, Encoding]] = set()
        self._place: Place | None = None
        self._number = 0  # of `connections`, while there is a place
        self._catch_ups: CatchUps | None = None
        self._private: PrivateClaims | None = None
        self._watch: ClientWatch
        self._hub: Hub
        self._session: Session
        self._port: Port
        self._outbox: Outbox

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve the connection; whatever ends it, nothing of it stays in the hub."""
        port = scope.get("extensions", {}).get(PORT_EXTENSION)
        if port is None:
            port = AsgiPort(send, receive)
            receive = port.receive
        self._port = port
        limit = self._options.facts.max_queue_bytes
        self._outbox = Outbox(port, limit, self._on_overflow)
        self._watch = ClientWatch(self._options, self._outbox, self._end)
        self._session = self._new_session(scope, Client())
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
        """Accept, and greet the client if it may connect."""
        await self.base_send({"type": "websocket.accept"})
        try:
            query = query_of(self.scope)
            admitted = await self._options.admission.admit(self.scope, query)
        except Refused as exc:
            events.info("client refused", code=int(exc.code), reason=exc.message)
            self._end(exc.code, exc.message)
            return
        client, self._place = admitted.client, admitted.place
        origin = Origin(admitted.address, self.scope["path"], self._dialect.name)
        self._session = session = self._new_session(self.scope, client)
        listed = ListedClient(origin, session, self._outbox, self._end)
        self._number = connections.enter(listed)
        bind_contextvars(connection=f"{self._options.facts.server}.{self._number}")
        events.info("client connected", path=origin.path, client=client.id)
        self._hub = await self._runtime.hub()
        self._catch_ups = CatchUps(self._hub, self._runtime.past(), self._outbox)
        self._private = PrivateClaims(self._runtime.private(), self._perform)
        await self._perform(session.open(self._hub.catalog))
        self._watch.start(session)

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """Answer a client's frame."""
        if self._outbox.is_closed:
            return
        connections.received += 1
        text = message.get("text")
        frame = (message.get("bytes") or b"") if text is None else text
        limit = self._options.facts.max_frame_bytes
        size = len(frame) if text is None else len(text.encode())
        if size > limit:
            error = InvalidMessage(f"at most {limit} bytes", f"{size}")
            self._end(CloseCode.MESSAGE_TOO_BIG, str(error))
        elif self._watch.allows(frame):
            effects = self._session.receive(
                frame, catalog=self._hub.catalog, now_us=time.time_ns() // 1_000
            )
            await self._perform(effects)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """Stop: the socket is gone."""
        events.info("client disconnected", code=message.get("code"))
        raise StopConsumer

    async def websocket_shutdown(self, message: dict[str, Any]) -> None:
        """Say good-bye: our server stops (an event of its own, not of ASGI)."""
        self._end(
            CloseCode.GOING_AWAY,
            "Server shutting down",
            reconnect_ms=random.randrange(MAX_RECONNECT_MS),
        )

    async def _perform(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(frame, is_malformed):
                    self._outbox.send_text(frame)
                    if is_malformed:
                        self._watch.count_malformed()
                case Join():
                    await self._join(effect)
                case Leave(pairs):
                    self._leave(pairs)
                case Authenticate():
                    await self._authenticate(effect)
                case OpenFeed() if self._private is not None:
                    self._private.open(effect)
                case Close():
                    self._close(effect)

    async def _join(self, join: Join) -> None:
        await self._hub.prepare(join.topics)
        stale = await stale_snapshots(self._hub, self._runtime.past(), join.follows)
        # No turn of the loop from here on: nothing of a topic can come before the
        # reply, and nothing between its snapshot and its next record is missed.
        catch_ups = self._catch_ups
        if self._outbox.is_closed or catch_ups is None:
            return
        pairs = {(item.topic, item.encoding) for item in join.follows}
        for follow in join.follows:
            catch_ups.stop(follow.topic, follow.encoding)
            if follow.since is None:
                self._hub.attach(follow, self._outbox)
        self._count(self._pairs | pairs)
        position = self._hub.position
        frames = [join.reply({topic: position(topic) for topic in join.topics})]
        for follow in join.follows:
            pair = follow.topic, follow.encoding
            frames.append(self._hub.feed_notice(*pair))
            if follow.snapshot and follow.since is None:
                frames.append(self._hub.snapshot(*pair) or stale.get(pair))
        self._outbox.deliver(Batch([frame for frame in frames if frame]))
        for follow in join.follows:
            if follow.since is not None:
                days = self._session.client.plan.since_days
                catch_ups.start(follow, since_days=days)

    def _leave(self, pairs: Iterable[tuple[Topic, Encoding]]) -> None:
        for topic, encoding in pairs:
            if self._catch_ups is not None:
                self._catch_ups.stop(topic, encoding)
            self._hub.detach(topic, encoding, self._outbox)
        self._count(self._pairs.difference(pairs))

    def _count(self, pairs: set[tuple[Topic, Encoding]]) -> None:
        change = len(pairs) - len(self._pairs)
        connections.subscriptions += change
        self._pairs = pairs
        if change:
            events.info("subscriptions changed", by=change, now=len(pairs))

    async def _authenticate(self, effect: Authenticate) -> None:
        if self._place is None:
            return
        try:
            client = await self._options.admission.identify(effect.token, self._place)
        except AuthFailed as exc:
            await self._perform(effect.answer(exc))
        except Refused as exc:
            self._end(exc.code, exc.message)
        else:
            await self._perform(effect.answer(client))
            self._watch.hold_to(client)

    def _on_overflow(self) -> None:
        # The hub may be in the middle of the topic's sinks.
        text = "the client reads too slowly: its queue is over the limit"
        asyncio.get_running_loop().call_soon(self._end, CloseCode.TOO_SLOW, text)

    def _end(self, code: CloseCode, message: str, *, reconnect_ms: int = 0) -> None:
        self._close(self._session.end(code, message, reconnect_ms=reconnect_ms))

    def _close(self, close: Close) -> None:
        self._clean_up()
        if self._outbox.close(close.code, close.reason, close.frame):
            connections.closed[close.code] += 1

    def _clean_up(self) -> None:
        if self._pairs:
            self._leave(self._pairs)
        self._watch.stop()
        if self._private is not None:
            self._private.close()
            self._private = None  # it refers back to this
        if self._place is not None:
            self._place.leave()
            self._place = None
            connections.leave(self._number)
        self._outbox.stop()

    def _new_session(self, scope: dict[str, Any], client: Client) -> Session:
        self._dialect = self._options.dialect_of(scope["path"])
        opening = Opening(scope["path"], query_of(scope), client)
        return self._dialect.new_session(self._options.facts, opening)
