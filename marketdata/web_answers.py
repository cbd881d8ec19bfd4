"""What a web process answers to the admin's questions: its figures and its clients."""

import asyncio
import os
import socket
import time

import structlog

from marketdata.connections import Connections
from marketdata.own_metrics import Source, own_metrics
from marketdata.process_messages import (
    Answer,
    AskClose,
    AskFigures,
    AskMetrics,
    ClientFigures,
    Closed,
    Question,
    WebFigures,
)
from marketdata.process_talk import Answering, Layer
from marketdata.rate_meter import RateMeter

MAX_LISTED = 500  # clients in an answer, some 100 bytes each
SAMPLE_S = 2.0

log = structlog.get_logger(__name__)


class WebAnswers:
    """The ear of a web process, in its event loop; ``process`` is its name.

    ``sources`` are of metrics that it has while it runs.
    """

    def __init__(
        self,
        process: str,
        layer: Layer,
        connections: Connections,
        *sources: Source,
    ) -> None:
        self._process = process
        self._connections = connections
        self._sources = sources
        self._host = socket.gethostname()
        self._meter = RateMeter()
        self._answering = Answering(layer, self.answer)

    async def run(self) -> None:
        """Answer until cancelled."""
        for source in self._sources:
            own_metrics.add(source)
        self._answering.start()
        try:
            while True:
                self._meter.sample(time.monotonic(), self._connections.sent)
                await asyncio.sleep(SAMPLE_S)
        finally:
            for source in self._sources:
                own_metrics.remove(source)
            await self._answering.close()

    def answer(self, question: Question) -> Answer | None:
        """Return what to say to a question, None if it concerns another process."""
        match question:
            case AskFigures(clients=most, text=text):
                return self._figures(most, text)
            case AskMetrics():
                return own_metrics.answer()
            case AskClose(process=self._process, client=number):
                return self._close(number)
        return None

    def _figures(self, most: int, text: str) -> WebFigures:
        counts = self._connections
        matching = 0
        listed: list[ClientFigures] = []
        if most:
            matching, listed = counts.listed(min(most, MAX_LISTED), text)
        return WebFigures(
            process=self._process,
            host=self._host,
            pid=os.getpid(),
            uptime_s=counts.uptime_s,
            clients=counts.clients,
            subscriptions=counts.subscriptions,
            sent=counts.sent,
            sent_per_s=self._meter.per_s(),
            queued_bytes=counts.queued_bytes,
            matching=matching,
            listed=listed,
        )

    def _close(self, number: int) -> Closed:
        client = self._connections.find(number)
        if client is None:
            return Closed(self._process, None)
        figures = client.figures(number)
        client.close()
        log.info("client closed by staff", client=figures.name, path=figures.path)
        return Closed(self._process, figures)
