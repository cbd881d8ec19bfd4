"""The connection to Kraken's tickers (WebSocket, version 1)."""

import asyncio
import time
from collections.abc import Sequence

import structlog
from websockets.asyncio.client import ClientConnection

from brokers.exceptions import MalformedFrame
from brokers.feed import Emit, FeedCounters, FollowedInstrument
from brokers.kraken.messages import (
    BROKER,
    Ignored,
    IgnoredReason,
    Refusal,
    SystemStatus,
    parse_frame,
)
from brokers.kraken.pairs import (
    PING,
    encode_request,
    split_requests,
    to_pair,
    websocket_address,
)
from brokers.run_together import run_together
from brokers.websocket import open_socket
from marketdata.records import Tick

PING_S = 30.0
# Kraken's gate in front refuses clients that name themselves as programs (COMPAT
# A-BR-06).
USER_AGENT = "Mozilla/5.0 (compatible; market-data-server)"

log = structlog.get_logger(__name__)


class KrakenFeed:
    """Follows the ticker of each instrument over one connection."""

    broker = BROKER
    is_simulated = False

    def __init__(self, address: str, ping_s: float = PING_S) -> None:
        self.counters = FeedCounters()
        self._address = websocket_address(address)
        self._ping_s = ping_s
        self._symbols: dict[str, str] = {}
        self._has_changed = asyncio.Event()

    def follow(self, instruments: Sequence[FollowedInstrument]) -> None:
        """Deliver exactly these from now on; also while ``run`` runs. Never blocks.

        Ticks are all there is, so they are followed whatever kinds are wanted.
        """
        self._symbols = {
            to_pair(item.broker_symbol): item.symbol for item in instruments
        }
        self._has_changed.set()

    async def run(self, emit: Emit) -> None:
        """Connect once and hand records to ``emit`` until the connection ends.

        Raises:
            FeedLost: the connection ended or could not be made. Never returns.
        """
        opening = open_socket(
            self._address, user_agent=USER_AGENT, on_alive=self.counters.note_sign
        )
        async with opening as socket:
            await run_together(
                self._read(socket, emit),
                self._subscribe(socket),
                self._ping(socket),
            )

    async def _read(self, socket: ClientConnection, emit: Emit) -> None:
        # `recv` does not suspend while frames are queued, so all frames of one read
        # from the socket are emitted in one turn of the loop and published together.
        while True:
            self._take(await socket.recv(decode=False), emit)

    def _take(self, frame: bytes, emit: Emit) -> None:
        self.counters.received += 1
        try:
            parsed = parse_frame(frame, time.time_ns() // 1_000, self._symbols)
        except MalformedFrame as exc:
            if not self.counters.malformed:
                log.warning("first malformed frame", broker=BROKER, error=str(exc))
            self.counters.malformed += 1
            return
        if isinstance(parsed, Tick):
            emit((parsed,))
        elif isinstance(parsed, Ignored):
            self._count(parsed)
        elif isinstance(parsed, Refusal):
            # The others go on: one wrong spelling must not cost all.
            log.warning(
                "pair refused", broker=BROKER, pair=parsed.pair, error=parsed.message
            )
        elif isinstance(parsed, SystemStatus):
            log.info("exchange status", broker=BROKER, status=parsed.status)

    def _count(self, ignored: Ignored) -> None:
        if ignored.reason is IgnoredReason.UNKNOWN_SYMBOL:
            self.counters.unknown_symbols += 1
        elif ignored.reason is IgnoredReason.UNKNOWN_EVENT:
            self.counters.unknown_events += 1
        else:
            self.counters.no_quotes += 1

    async def _subscribe(self, socket: ClientConnection) -> None:
        """Keep the connection's pairs what ``follow`` said last. Never returns."""
        followed: dict[str, str] = {}
        while True:
            self._has_changed.clear()
            wanted = self._symbols
            gone = [pair for pair in followed if pair not in wanted]
            added = [pair for pair in wanted if pair not in followed]
            for event, pairs in (("unsubscribe", gone), ("subscribe", added)):
                for part in split_requests(pairs):
                    await socket.send(encode_request(event, part))
            followed = wanted
            log.info("subscribed", broker=BROKER, pairs=len(followed))
            await self._has_changed.wait()

    async def _ping(self, socket: ClientConnection) -> None:
        """Ask for a sign of life at intervals; silence is the runner's to judge."""
        while True:
            await asyncio.sleep(self._ping_s)
            await socket.send(PING)
