"""The connection to Binance's combined streams."""

import asyncio
import time
from collections.abc import Sequence
from typing import cast

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from brokers.binance.messages import (
    BROKER,
    Ack,
    Ignored,
    IgnoredReason,
    Refusal,
    Shutdown,
    parse_frame,
)
from brokers.binance.streams import (
    MAX_STREAMS,
    REQUESTS_PER_S,
    encode_request,
    split_requests,
    stream_names,
    websocket_address,
)
from brokers.exceptions import FeedLost, FeedRefused, MalformedFrame, SubscribeFailed
from brokers.feed import Emit, FeedCounters, FollowedInstrument
from brokers.run_together import run_together
from marketdata.records import KINDS, Record

REPLY_TIMEOUT_S = 10.0
# Closing must fit into the 10 s that a stopped feed has in all.
CLOSE_TIMEOUT_S = 2.0
# Frames that wait in our process before reading pauses; while it pauses no ping is
# answered. A read of 64 KiB holds some 400 frames, so less would pause at every burst.
MAX_QUEUE_FRAMES = 2_048
# Forbidden, banned, too many requests, not available in this country.
_REFUSALS = frozenset({403, 418, 429, 451})

log = structlog.get_logger(__name__)


class BinanceFeed:
    """Follows one stream per instrument and suffix over one connection.

    ``base_address`` is the part of the address before `/stream`; ``suffixes`` is what
    ``stream_suffixes`` gave. Frames are read whatever was asked for.
    """

    broker = BROKER
    is_simulated = False

    def __init__(self, base_address: str, suffixes: Sequence[str]) -> None:
        self.counters = FeedCounters()
        self._address = websocket_address(base_address)
        self._suffixes = suffixes
        self._symbols: dict[str, str] = {}
        self._streams: dict[str, None] = {}
        self._streams_changed = asyncio.Event()
        self._last_request = 0
        self._replies: dict[int, asyncio.Future[Ack | Refusal]] = {}

    def follow(self, instruments: Sequence[FollowedInstrument]) -> None:
        """Deliver exactly these from now on; also while ``run`` runs. Never blocks."""
        limit = MAX_STREAMS // len(self._suffixes)
        if len(instruments) > limit:
            log.error(
                "more instruments than one connection follows, the rest is left out",
                broker=BROKER,
                instruments=len(instruments),
                limit=limit,
            )
            instruments = instruments[:limit]
        self._symbols = {
            item.broker_symbol.upper(): item.symbol for item in instruments
        }
        self._streams = dict.fromkeys(stream_names(self._symbols, self._suffixes))
        self._streams_changed.set()

    async def run(self, emit: Emit) -> None:
        """Connect once and hand records to ``emit`` until the connection ends.

        Raises:
            FeedLost: the connection ended or could not be made. Never returns.
        """
        try:
            # The operating system's proxy settings are for people, not for feeds.
            async with connect(
                self._address,
                compression=None,
                proxy=None,
                close_timeout=CLOSE_TIMEOUT_S,
                max_queue=MAX_QUEUE_FRAMES,
            ) as socket:
                await run_together(self._read(socket, emit), self._subscribe(socket))
        except InvalidStatus as exc:
            raise _refusal(exc) from exc
        except (OSError, TimeoutError, WebSocketException) as exc:
            raise FeedLost(f"{type(exc).__name__}: {exc}") from exc

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
        # One look-up for what nearly every frame is, before the rare ones.
        if type(parsed) in KINDS:
            emit((cast(Record, parsed),))
        elif isinstance(parsed, Ignored):
            self._count(parsed)
        elif isinstance(parsed, Ack | Refusal):
            self._note_reply(parsed)
        elif isinstance(parsed, Shutdown):
            raise FeedLost("the server announced its shutdown")

    def _note_reply(self, answer: Ack | Refusal) -> None:
        reply = self._replies.get(answer.id) if answer.id is not None else None
        if reply is not None and not reply.done():
            reply.set_result(answer)

    def _count(self, ignored: Ignored) -> None:
        if ignored.reason is IgnoredReason.UNKNOWN_SYMBOL:
            self.counters.unknown_symbols += 1
        elif ignored.reason is IgnoredReason.UNKNOWN_EVENT:
            self.counters.unknown_events += 1
        else:
            self.counters.no_quotes += 1

    async def _subscribe(self, socket: ClientConnection) -> None:
        """Keep the connection's streams what ``follow`` said last. Never returns."""
        followed: dict[str, None] = {}
        while True:
            self._streams_changed.clear()
            wanted = self._streams
            gone = [name for name in followed if name not in wanted]
            added = [name for name in wanted if name not in followed]
            for method, names in (("UNSUBSCRIBE", gone), ("SUBSCRIBE", added)):
                for part in split_requests(names):
                    await self._request(socket, method, part)
                    await asyncio.sleep(1 / REQUESTS_PER_S)
            followed = wanted
            log.info("subscribed", broker=BROKER, streams=len(followed))
            await self._streams_changed.wait()

    async def _request(
        self, socket: ClientConnection, method: str, streams: Sequence[str]
    ) -> None:
        self._last_request += 1
        number = self._last_request
        reply = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        try:
            await socket.send(encode_request(method, streams, number))
            answer = await asyncio.wait_for(reply, REPLY_TIMEOUT_S)
        except TimeoutError as exc:
            raise SubscribeFailed(
                f"no reply to {method} of {len(streams)} streams "
                f"in {REPLY_TIMEOUT_S:g} s"
            ) from exc
        finally:
            del self._replies[number]
        if isinstance(answer, Refusal):
            raise SubscribeFailed(
                f"{method} refused with code {answer.code}: {answer.message}"
            )


def _refusal(exc: InvalidStatus) -> FeedLost:
    status = exc.response.status_code
    if status not in _REFUSALS:
        return FeedLost(f"expected HTTP 101, found {status}")
    # A date is allowed here too, but Binance sends seconds.
    seconds = exc.response.headers.get("Retry-After", "")
    return FeedRefused(status, float(seconds) if seconds.isdecimal() else 0.0)
