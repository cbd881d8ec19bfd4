"""Holds one socket to its client's plan, and to time: limits, heartbeats, expiry."""

import asyncio
import time
from collections.abc import Callable

from marketdata.clients import Client
from marketdata.codes import CloseCode, ErrorCode
from marketdata.dialects import Figures, Session
from marketdata.outbox import Outbox
from marketdata.request_limits import MalformedCount, RequestGate, Verdict
from marketdata.runtime import Options

End = Callable[[CloseCode, str], None]


def _nothing(code: CloseCode, message: str) -> None:
    """Do nothing."""


class ClientWatch:
    """Watches a socket from its welcome on; ``end`` closes it."""

    def __init__(self, options: Options, outbox: Outbox, end: End) -> None:
        self._options = options
        self._outbox = outbox
        self._end = end
        self._malformed = MalformedCount(options.max_malformed)
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        self._session: Session
        self._gate: RequestGate

    def start(self, session: Session) -> None:
        """Begin, with the client that the session has."""
        plan = session.client.plan
        self._session = session
        self._gate = RequestGate(plan.requests_per_s, plan.request_burst)
        self._call_later(self._options.facts.heartbeat_s, self._beat)
        self.hold_to(session.client)

    def hold_to(self, client: Client) -> None:
        """Go by another client's plan; what was used up of the last one stays so."""
        self._gate.limit_to(client.plan.requests_per_s, client.plan.request_burst)
        for check in (self._require_auth, self._expire):
            self._cancel(check)
        if client.is_required_to_auth:
            self._call_later(self._options.auth_timeout_s, self._require_auth)
        if client.expires_s is not None:
            self._call_later(client.expires_s - time.time(), self._expire)

    def stop(self) -> None:
        """Watch no more."""
        for callback in list(self._timers):
            self._cancel(callback)
        # The socket's own; without it the socket is freed at once when it has gone.
        self._end = _nothing

    def allows(self, frame: str | bytes) -> bool:
        """Count a frame; False if it comes too soon, which the client is told."""
        verdict = self._gate.judge(time.monotonic())
        if verdict is Verdict.ALLOWED:
            return True
        rate = self._session.client.plan.requests_per_s
        text = f"expected at most {rate:g} requests per second"
        if verdict is Verdict.CLOSE:
            self._end(CloseCode.REQUEST_RATE, text)
            return False
        error = self._session.error(ErrorCode.RATE_LIMITED, text, text=frame)
        if error is not None:
            self._outbox.send_text(error)
        return False

    def count_malformed(self) -> None:
        """Count a frame that was no request at all; too many end the session."""
        if self._malformed.exceeds(time.monotonic()):
            self._end(CloseCode.MALFORMED, "too many frames that are no requests")

    def _beat(self) -> None:
        outbox = self._outbox
        figures = Figures(outbox.sent, outbox.queued_bytes, outbox.skipped)
        frame = self._session.heartbeat(time.time_ns() // 1_000, figures)
        if frame is not None:
            outbox.send_text(frame)
        if outbox.ping():
            self._call_later(self._options.facts.heartbeat_s, self._beat)
        else:
            self._end(CloseCode.NO_PONG, "the client answers no ping")

    def _require_auth(self) -> None:
        self._end(CloseCode.AUTH_REQUIRED, "authentication required")

    def _expire(self) -> None:
        self._end(CloseCode.TOKEN_EXPIRED, "the token has expired")

    def _call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        if not self._outbox.is_closed:
            loop = asyncio.get_running_loop()
            self._timers[callback] = loop.call_later(delay_s, callback)

    def _cancel(self, callback: Callable[[], None]) -> None:
        timer = self._timers.pop(callback, None)
        if timer is not None:
            timer.cancel()
