"""Holds back the sender of a long HTTP answer while its client does not read.

Daphne's `send` never waits, so an export to a slow client would be buffered whole.
"""

import asyncio
from typing import Any

from twisted.internet import interfaces
from zope.interface import implementer


@implementer(interfaces.IPushProducer)
class StreamGate:
    """Open while Twisted's buffer has room (64 KiB), or once the client has gone."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    async def passed(self) -> None:
        """Return when the next part may be written."""
        await self._open.wait()

    def pauseProducing(self) -> None:
        self._open.clear()

    def resumeProducing(self) -> None:
        self._open.set()

    def stopProducing(self) -> None:
        self._open.set()


class StreamGates:
    """The gates of the answers that are being streamed, by their Daphne protocol."""

    def __init__(self) -> None:
        self._gates: dict[Any, StreamGate] = {}

    def before(self, protocol: Any, message: dict[str, Any]) -> StreamGate | None:
        """Return the gate to pass after this message, None where there is none.

        A gate is made at the first part that is not the last, and given up at the last.
        """
        if message["type"] != "http.response.body":
            return None
        gate = self._gates.get(protocol)
        if message.get("more_body"):
            if gate is None:
                gate = self._gates[protocol] = StreamGate()
                protocol.registerProducer(gate, True)
            return gate
        if gate is not None:
            protocol.unregisterProducer()
            del self._gates[protocol]
        return None

    def drop(self, protocol: Any) -> None:
        """Forget the gate of a connection that has gone; its sender goes on."""
        gate = self._gates.pop(protocol, None)
        if gate is not None:
            gate.stopProducing()
