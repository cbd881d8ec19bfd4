"""What the active process of a feed answers to the admin's questions."""

import asyncio
import os
import socket
import time
from typing import Protocol

import msgspec

from marketdata.metric_families import Family
from marketdata.own_metrics import own_metrics
from marketdata.process_messages import (
    Answer,
    AskFigures,
    AskMetrics,
    FeedFigures,
    Question,
)
from marketdata.process_talk import Answering, Layer
from marketdata.rate_meter import RateMeter

SAMPLE_S = 1.0


class FeedCounts(msgspec.Struct, frozen=True):
    """What a feed's runner knows of itself; counts since the start.

    ``received_us`` and ``event_us`` are of the last record, None before the first.
    """

    state: str
    instruments: int
    records: int
    reconnects: int
    stored: int = 0
    held: int = 0
    received_us: int | None = None
    event_us: int | None = None


class Counted(Protocol):
    """A feed's runner."""

    def counts(self) -> FeedCounts:
        """Return how the feed is now."""

    def metrics(self) -> list[Family]:
        """Return all that it counts."""


class FeedAnswers:
    """The ear of a feed; it names its process as the lease does, `host:pid`."""

    def __init__(self, broker: str, layer: Layer) -> None:
        self._broker = broker
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._layer = layer
        self._meter = RateMeter()

    async def run(self, feed: Counted) -> None:
        """Answer until cancelled."""

        def answer(question: Question) -> Answer | None:
            if isinstance(question, AskMetrics):
                return own_metrics.answer()
            if not isinstance(question, AskFigures):
                return None
            return self.figures(feed.counts(), time.time_ns() // 1_000)

        answering = Answering(self._layer, answer)
        own_metrics.role = "feed"
        own_metrics.add(feed.metrics)
        answering.start()
        try:
            while True:
                self.sample(feed.counts(), time.monotonic())
                await asyncio.sleep(SAMPLE_S)
        finally:
            own_metrics.remove(feed.metrics)
            await answering.close()

    def sample(self, counts: FeedCounts, now_s: float) -> None:
        """Note the counts; rates are made of samples."""
        self._meter.sample(now_s, counts.records, counts.stored)

    def figures(self, counts: FeedCounts, now_us: int) -> FeedFigures:
        """Return the answer."""
        age_s = lag_s = None
        if counts.received_us is not None and counts.event_us is not None:
            age_s = max(0, now_us - counts.received_us) / 1e6
            lag_s = (counts.received_us - counts.event_us) / 1e6
        return FeedFigures(
            broker=self._broker,
            holder=self._holder,
            state=counts.state,
            instruments=counts.instruments,
            records=counts.records,
            records_per_s=self._meter.per_s(0),
            stored_per_s=self._meter.per_s(1),
            reconnects=counts.reconnects,
            held=counts.held,
            age_s=age_s,
            lag_s=lag_s,
        )
