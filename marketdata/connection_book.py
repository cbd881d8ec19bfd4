"""Daphne's book of connections, kept by what happens to them.

The original looks at all of them every second, and every two, for who has ended or is
due: 20-80 ms during which nothing is sent, at 10,000 connections.
"""

import asyncio
from functools import partial
from typing import Any

import structlog
from daphne.server import Server

log = structlog.get_logger(__name__)


class ConnectionBook(Server):
    """Forgets a connection when both it and its application have ended."""

    def application_checker(self) -> None:
        """Do nothing; applications say themselves when they have ended."""

    def timeout_checker(self) -> None:
        """Do nothing; sessions ping by themselves, Autobahn ends slow handshakes."""

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """Start the application of a connection; return its queue."""
        queue = super().create_application(protocol, scope)
        details = self.connections.get(protocol)
        if details is not None:
            details["application_instance"].add_done_callback(
                partial(self._application_ended, protocol)
            )
        return queue

    def protocol_disconnected(self, protocol: Any) -> None:
        """Note that a connection has ended; its application has some time to end."""
        details = self.connections.get(protocol)
        if details is None or "disconnected" in details:
            return
        super().protocol_disconnected(protocol)
        task = details.get("application_instance")
        if task is None:
            del self.connections[protocol]
        else:
            details["timer"] = asyncio.get_running_loop().call_later(
                self.application_close_timeout, self._kill, protocol, task
            )

    def _kill(self, protocol: Any, task: asyncio.Future[Any]) -> None:
        log.warning("application did not end with its client", client=repr(protocol))
        task.cancel()

    def _application_ended(self, protocol: Any, task: asyncio.Future[Any]) -> None:
        details = self.connections.get(protocol)
        if details is None:
            return
        if "timer" in details:
            details["timer"].cancel()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("exception in an application", exc_info=error)
            if "disconnected" not in details:
                protocol.handle_exception(error)
        # A protocol may end with the exception.
        details.pop("application_instance", None)
        if "disconnected" in details:
            self.connections.pop(protocol, None)
            if hasattr(protocol, "release"):
                protocol.release()
