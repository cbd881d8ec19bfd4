"""One client's state in the unified dialect: frames in, effects out (PROTOCOL 1)."""

from collections.abc import Sequence
from functools import partial

from marketdata.catalog import Catalog
from marketdata.clients import Client
from marketdata.codes import CloseCode, ErrorCode, StatusCode
from marketdata.dialects import Dialect, Figures, Opening, ServerFacts
from marketdata.effects import Authenticate, Close, Effect, OpenFeed, Send
from marketdata.exceptions import (
    AuthFailed,
    AuthRequired,
    BrokerAuthFailed,
    Forbidden,
    InvalidMessage,
    MarketDataError,
    RateLimited,
)
from marketdata.frames import unified
from marketdata.frames import unified_requests as requests
from marketdata.frames.unified_replies import encode_failure
from marketdata.sessions.unified_subscriptions import Subscriptions

# What waits while a private feed is opened: a client's burst.
MAX_WAITING = 100


class UnifiedSession:
    """What one socket follows, and the answers to its requests."""

    def __init__(self, facts: ServerFacts, opening: Opening) -> None:
        self.client = opening.client
        self._facts = facts
        self._subscriptions = Subscriptions()
        self._opening = 0  # private feeds
        self._waiting: list[requests.Parsed] = []

    @property
    def subscription_count(self) -> int:
        """Number of topics that the session follows."""
        return len(self._subscriptions)

    def open(self, catalog: Catalog) -> Sequence[Effect]:
        """Return the welcome."""
        plan = self.client.plan
        limits = {
            "subscriptions": plan.subscriptions,
            "requests_per_s": _whole(plan.requests_per_s),
            "since_days": plan.since_days,
            "frame_bytes": self._facts.max_frame_bytes,
            "queue_bytes": self._facts.max_queue_bytes,
        }
        frame = unified.encode_status(
            message="Connected to Market Data Server",
            server=self._facts.server,
            protocol=unified.PROTOCOL_VERSION,
            limits=limits,
            heartbeat_s=_whole(self._facts.heartbeat_s),
        )
        return [Send(frame)]

    def receive(
        self, text: str | bytes, *, catalog: Catalog, now_us: int
    ) -> Sequence[Effect]:
        """Return the answer to a frame, and what it changes."""
        return self._respond(requests.parse_request(text), catalog, now_us)

    def heartbeat(self, now_us: int, figures: Figures) -> bytes | None:
        """Return the heartbeat frame."""
        return unified.encode_heartbeat(
            now_us,
            sent=figures.sent,
            queued_bytes=figures.queued_bytes,
            skipped=figures.skipped,
        )

    def error(
        self, code: ErrorCode, message: str, *, text: str | bytes = ""
    ) -> bytes | None:
        """Return the frame of an error that the session did not find itself."""
        request_id = requests.parse_request(text).id if text else None
        return unified.encode_error(code, message, id=request_id)

    def end(self, code: CloseCode, message: str, *, reconnect_ms: int = 0) -> Close:
        """Return the last frame and the close code."""
        if code is CloseCode.GOING_AWAY:
            frame = unified.encode_status(
                code=StatusCode.SHUTDOWN,
                reconnect_after_ms=reconnect_ms,
                message=message,
            )
        else:
            frame = unified.encode_error(_ERRORS[code], message)
        return Close(code, message, frame)

    def _respond(
        self, parsed: requests.Parsed, catalog: Catalog, now_us: int
    ) -> Sequence[Effect]:
        try:
            return self._answer(parsed, catalog, now_us)
        except MarketDataError as exc:
            frame = encode_failure(parsed, exc)
            return [Send(frame, is_malformed=isinstance(exc, InvalidMessage))]

    def _answer(
        self, parsed: requests.Parsed, catalog: Catalog, now_us: int
    ) -> Sequence[Effect]:
        match parsed.request:
            case requests.Ping():
                return [Send(unified.encode_pong(parsed.id, now_us))]
            case requests.Auth(token):
                return [Authenticate(token, partial(self._authenticated, parsed))]
            case MarketDataError() as error:
                raise error
        if self.client.is_required_to_auth:
            raise AuthRequired("authentication required: send auth with a key or token")
        if self._opening and not isinstance(parsed.request, requests.Authenticate):
            # It depends on the private feed where subscriptions lead.
            if len(self._waiting) >= MAX_WAITING:
                raise RateLimited("too many requests wait for a private feed")
            self._waiting.append(parsed)
            return []
        match parsed.request:
            case requests.Subscribe() as request:
                plan = self.client.plan
                return self._subscriptions.add(parsed, request, catalog, plan)
            case requests.Unsubscribe() as request:
                return self._subscriptions.remove(parsed, request, catalog)
            case requests.ListSubscriptions():
                return [Send(self._subscriptions.list(parsed))]
            case requests.Authenticate() as request:
                return [self._open_private(parsed, request, catalog, now_us)]
        raise AssertionError(parsed.request)

    def _open_private(
        self,
        parsed: requests.Parsed,
        request: requests.Authenticate,
        catalog: Catalog,
        now_us: int,
    ) -> OpenFeed:
        name, plan = request.broker.lower(), self.client.plan
        if name not in catalog.brokers:
            raise BrokerAuthFailed(
                f"Authentication failed: Unknown broker type: {request.broker:.40}"
            )
        if plan.brokers is not None and name not in plan.brokers:
            raise Forbidden(f"plan {plan.name!r} does not allow {name}")

        def answer(result: str | BrokerAuthFailed) -> Sequence[Effect]:
            self._opening -= 1
            effects = self._opened(parsed, name, result)
            if not self._opening:
                waiting, self._waiting = self._waiting, []
                for item in waiting:
                    effects += self._respond(item, catalog, now_us)
            return effects

        self._opening += 1
        return OpenFeed(name, request.credentials, answer)

    def _opened(
        self, parsed: requests.Parsed, broker: str, result: str | BrokerAuthFailed
    ) -> list[Effect]:
        if isinstance(result, BrokerAuthFailed):
            return [Send(encode_failure(parsed, result))]
        frame = unified.encode_status(
            id=parsed.id,
            action=parsed.action,
            message=f"Authenticated with {broker}",
        )
        return [Send(frame), *self._subscriptions.use_private(broker, result)]

    def _authenticated(
        self, parsed: requests.Parsed, result: Client | AuthFailed
    ) -> Sequence[Effect]:
        if isinstance(result, AuthFailed):
            return [Send(encode_failure(parsed, result))]
        self.client = result
        frame = unified.encode_status(
            id=parsed.id, action=parsed.action, message="Authenticated successfully"
        )
        return [Send(frame)]


UNIFIED = Dialect("unified", UnifiedSession)

_ERRORS = {
    CloseCode.MESSAGE_TOO_BIG: ErrorCode.INVALID_MESSAGE,
    CloseCode.SERVER_ERROR: ErrorCode.INTERNAL_ERROR,
    CloseCode.TOO_SLOW: ErrorCode.TOO_SLOW,
    CloseCode.NO_PONG: ErrorCode.TOO_SLOW,
    CloseCode.TOKEN_EXPIRED: ErrorCode.INVALID_AUTH,
    CloseCode.REQUEST_RATE: ErrorCode.RATE_LIMITED,
    CloseCode.BAD_CREDENTIALS: ErrorCode.INVALID_AUTH,
    CloseCode.AUTH_REQUIRED: ErrorCode.AUTH_REQUIRED,
    CloseCode.MALFORMED: ErrorCode.INVALID_MESSAGE,
    CloseCode.CONNECTION_LIMIT: ErrorCode.RATE_LIMITED,
    CloseCode.FORBIDDEN: ErrorCode.FORBIDDEN,
    CloseCode.CLOSED_BY_STAFF: ErrorCode.FORBIDDEN,
}


def _whole(seconds: float) -> float:
    """Return whole seconds as an integer: clients know `30`, not `30.0`."""
    return int(seconds) if seconds == int(seconds) else seconds
