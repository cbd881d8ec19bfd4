"""What one run of the feed makes of frames: records, replies, figures."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import structlog

from brokers.binance.books import Books
from brokers.binance.connection import Connection
from brokers.binance.converters import BROKER
from brokers.binance.messages import (
    Ack,
    Ignored,
    IgnoredReason,
    Newest,
    Parsed,
    Refusal,
    Shutdown,
    parse_frame,
)
from brokers.binance.streams import event_and_symbol
from brokers.exceptions import MalformedFrame
from brokers.feed import Emit, FeedCounters
from marketdata.records import KINDS, OrderBook, Record, Trade

# A stream that was silent for so long after its request is named in the log: Binance
# takes requests for symbols that it does not have, too.
SILENT_S = 120.0
_NAMED = 20

log = structlog.get_logger(__name__)


class Intake:
    """Counts frames and hands their records to ``emit``, each once.

    ``symbols`` maps Binance's spelling to the canonical one. Without ``books`` changes
    of books are records like others. ``on_trade`` is called for each trade.
    """

    def __init__(self, counters: FeedCounters, emit: Emit, books: Books | None) -> None:
        self.symbols: Mapping[str, str] = {}
        self.on_trade: Callable[[Trade], None] = lambda trade: None
        self._counters = counters
        self._emit = emit
        self._books = books
        self._newest: Newest = {}
        self._asked: dict[str, float] = {}  # streams not heard of since

    def take(self, connection: Connection, frame: bytes) -> None:
        """Take a frame of a socket that is in use."""
        self._counters.received += 1
        try:
            parsed = self._parse(frame)
        except MalformedFrame as exc:
            if not self._counters.malformed:
                log.warning("first malformed frame", broker=BROKER, error=str(exc))
            self._counters.malformed += 1
            return
        # One look-up for what nearly every frame is, before the rare ones.
        if (kind := type(parsed)) in KINDS:
            if kind is OrderBook and self._books is not None:
                self._take_book(cast(OrderBook, parsed), self._books)
                return
            self._emit((cast(Record, parsed),))
            if kind is Trade:
                self.on_trade(cast(Trade, parsed))
        elif isinstance(parsed, Ignored):
            self._count(parsed)
        else:
            _note_control(connection, parsed)

    def is_reply(self, connection: Connection, frame: bytes) -> bool:
        """Return whether a frame of a socket that is not in use yet is for us alone."""
        try:
            # Without symbols no number is noted: the frame comes here once more.
            parsed = parse_frame(frame, 0, {})
        except MalformedFrame:
            return False
        return _note_control(connection, parsed)

    def note_asked(self, streams: Sequence[str]) -> None:
        """Note that the streams are followed from now on."""
        now_s = time.monotonic()
        for stream in streams:
            self._asked[stream] = now_s
        if self._books is not None:
            depths = [event_and_symbol(stream) for stream in streams]
            self._books.want(
                {
                    self.symbols[symbol]: symbol
                    for event, symbol in depths
                    if event == "depthUpdate" and symbol in self.symbols
                }
            )

    async def watch_silence(self) -> None:
        """Name the streams that never delivered, each once. Never returns."""
        while True:
            await asyncio.sleep(SILENT_S / 4)
            silent = self._silent(time.monotonic() - SILENT_S)
            if silent:
                self._counters.silent += len(silent)
                log.warning(
                    "streams are silent: does Binance have them?",
                    broker=BROKER,
                    streams=silent[:_NAMED],
                    count=len(silent),
                )

    def _silent(self, before_s: float) -> list[str]:
        """Return what was asked for before a time and never came; it is forgotten."""
        followed = self.symbols
        self._asked = {
            stream: asked_s
            for stream, asked_s in self._asked.items()
            if (key := event_and_symbol(stream)) not in self._newest
            and key[1] in followed
        }
        silent = [name for name, asked_s in self._asked.items() if asked_s <= before_s]
        for name in silent:
            del self._asked[name]
        return silent

    def _parse(self, frame: bytes) -> Parsed:
        received_us = time.time_ns() // 1_000
        return parse_frame(frame, received_us, self.symbols, self._newest)

    def _take_book(self, book: OrderBook, books: Books) -> None:
        if not book.is_snapshot and (told := books.take(book)):
            self._emit(told)

    def _count(self, ignored: Ignored) -> None:
        counters = self._counters
        match ignored.reason:
            case IgnoredReason.UNKNOWN_SYMBOL:
                counters.unknown_symbols += 1
            case IgnoredReason.UNKNOWN_EVENT:
                counters.unknown_events += 1
            case IgnoredReason.NO_QUOTE:
                counters.no_quotes += 1
            case IgnoredReason.REPEATED:
                counters.repeated += 1


def _note_control(connection: Connection, parsed: Parsed) -> bool:
    """Do what a message about the connection says; False if it is another one."""
    if isinstance(parsed, Ack | Refusal):
        connection.note_reply(parsed)
        return True
    if isinstance(parsed, Shutdown):
        connection.is_ending.set()
        return True
    return False
