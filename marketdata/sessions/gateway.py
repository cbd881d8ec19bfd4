"""One client's state in the gateway dialect: frames in, effects out (PROTOCOL 3).

Texts and behaviour are server C's (COMPAT C-01..C-14). A symbol needs no instrument:
its trades are what somebody publishes on Redis as `channel:trade:<symbol>`.
"""

from collections.abc import Callable, Sequence

from marketdata.catalog import Catalog
from marketdata.codes import CloseCode, ErrorCode
from marketdata.dialects import Dialect, Figures, Opening, ServerFacts
from marketdata.effects import Close, Effect, Follow, Join, Leave, Positions, Send
from marketdata.foreign_topics import FOREIGN_BROKER, gateway_topic, plan_symbol
from marketdata.frames.gateway import (
    GATEWAY_ENCODING,
    encode_error,
    encode_pong,
    encode_success,
)
from marketdata.frames.gateway_requests import (
    Ping,
    Refusal,
    Request,
    Subscribe,
    Unsubscribe,
    parse_request,
)

NORMAL_CLOSE = 1000

_AUTH_REQUIRED = (
    "AUTH_REQUIRED: authentication required: "
    "connect with ?token= or an Authorization header"
)
_INTERNAL_ERROR = "Internal server error"
# Server C's own words for why it closes; others have our codes and texts.
_CLOSES = {
    CloseCode.NO_PONG: (NORMAL_CLOSE, "Heartbeat timeout"),
    CloseCode.GOING_AWAY: (CloseCode.GOING_AWAY, "Server shutting down"),
    CloseCode.SERVER_ERROR: (CloseCode.SERVER_ERROR, _INTERNAL_ERROR),
}


class GatewaySession:
    """What one socket follows, and the answers to its requests.

    ``now_us`` is the clock of the frames that no request asked for.
    """

    def __init__(
        self,
        facts: ServerFacts,
        opening: Opening,
        *,
        connection_id: str,
        now_us: Callable[[], int],
    ) -> None:
        self.client = opening.client
        self._facts = facts
        self._connection_id = connection_id
        self._now_us = now_us
        self._symbols: dict[str, None] = {}  # in the order of their subscription

    @property
    def subscription_count(self) -> int:
        """Number of symbols that the session follows."""
        return len(self._symbols)

    def open(self, catalog: Catalog) -> Sequence[Effect]:
        """Return the welcome."""
        data = {
            "connectionId": self._connection_id,
            "serverId": f"ws-gateway-{self._facts.server}",
            "maxSymbolsPerConnection": self.client.plan.gateway_symbols,
        }
        message = "Connected to WebSocket Gateway"
        return [Send(encode_success(message, data, self._now_us()))]

    def receive(
        self, text: str | bytes, *, catalog: Catalog, now_us: int
    ) -> Sequence[Effect]:
        """Return the answer to a frame, and what it changes."""
        limit = self.client.plan.gateway_symbols
        request = parse_request(text, max_symbols=limit)
        if isinstance(request, Refusal):
            return [Send(encode_error(request.message, now_us), request.is_malformed)]
        return self._answer(request, now_us)

    def heartbeat(self, now_us: int, figures: Figures) -> bytes | None:
        """Return None: server C has WebSocket pings only."""
        return None

    def error(
        self, code: ErrorCode, message: str, *, text: str | bytes = ""
    ) -> bytes | None:
        """Return the frame of an error that the session did not find itself."""
        is_internal = code is ErrorCode.INTERNAL_ERROR
        words = _INTERNAL_ERROR if is_internal else f"{code}: {message}"
        return encode_error(words, self._now_us())

    def end(self, code: CloseCode, message: str, *, reconnect_ms: int = 0) -> Close:
        """Return the last frame and the close code, server C's where it has one."""
        number, words = _CLOSES.get(code, (code, message))
        return Close(number, words, encode_error(words, self._now_us()))

    def _answer(self, request: Request, now_us: int) -> Sequence[Effect]:
        if isinstance(request, Ping):
            return [Send(encode_pong(now_us))]
        if self.client.is_required_to_auth:
            return [Send(encode_error(_AUTH_REQUIRED, now_us))]
        if isinstance(request, Subscribe):
            return self._subscribe(request, now_us)
        return self._unsubscribe(request, now_us)

    def _subscribe(self, request: Subscribe, now_us: int) -> Sequence[Effect]:
        new = [symbol for symbol in request.symbols if symbol not in self._symbols]
        refusal = self._refusal(new)
        if refusal is not None:
            return [Send(encode_error(refusal, now_us))]
        self._symbols |= dict.fromkeys(new)
        message = (
            f"Successfully subscribed to {len(new)} symbol(s)"
            if new
            else "Already subscribed to all requested symbols"
        )
        data = {"subscribed": new, "currentSubscriptions": list(self._symbols)}
        frame = encode_success(message, data, now_us)
        if not new:
            return [Send(frame)]
        follows = tuple(
            Follow(gateway_topic(symbol), GATEWAY_ENCODING) for symbol in new
        )

        def reply(positions: Positions) -> bytes:
            return frame

        return [Join(follows, reply)]

    def _refusal(self, new: Sequence[str]) -> str | None:
        """Return why not all of the symbols can be followed, None if they can."""
        plan, count = self.client.plan, len(self._symbols)
        if count + len(new) > plan.gateway_symbols:
            return (
                "Cannot subscribe: would exceed maximum of "
                f"{plan.gateway_symbols} symbols per connection. "
                f"Currently subscribed to {count} symbols."
            )
        for symbol in new:
            if not plan.allows(FOREIGN_BROKER, plan_symbol(symbol)):
                return f"Cannot subscribe: plan {plan.name!r} does not allow {symbol}"
        return None

    def _unsubscribe(self, request: Unsubscribe, now_us: int) -> Sequence[Effect]:
        gone = [symbol for symbol in request.symbols if symbol in self._symbols]
        for symbol in gone:
            del self._symbols[symbol]
        message = (
            f"Successfully unsubscribed from {len(gone)} symbol(s)"
            if gone
            else "Not subscribed to any of the requested symbols"
        )
        data = {"unsubscribed": gone, "currentSubscriptions": list(self._symbols)}
        send = Send(encode_success(message, data, now_us))
        if not gone:
            return [send]
        leave = Leave(tuple((gateway_topic(item), GATEWAY_ENCODING) for item in gone))
        return [leave, send]


def gateway_dialect(
    new_connection_id: Callable[[], str], now_us: Callable[[], int]
) -> Dialect:
    """Return the dialect; chance and clock are given to it, so that it stays pure.

    ``new_connection_id`` makes UUIDs; ``now_us`` is microseconds since the epoch.
    """

    def new_session(facts: ServerFacts, opening: Opening) -> GatewaySession:
        return GatewaySession(
            facts, opening, connection_id=new_connection_id(), now_us=now_us
        )

    return Dialect("gateway", new_session)
