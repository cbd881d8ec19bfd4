"""The books of the symbols that one feed follows: fetches the whole ones."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence

import structlog

from brokers.binance.answers import parse_depth
from brokers.binance.book import Hole, LocalBook
from brokers.binance.converters import BROKER
from brokers.binance.rest import BinanceRest
from brokers.exceptions import BrokerError, MalformedFrame, RequestFailed
from brokers.feed import Emit, OnGap, UpstreamGap
from marketdata.records import Kind, OrderBook

# Per side; what lies farther out comes in when it changes. 5000 would weigh five times
# as much.
LEVELS = 1_000
# Of such a request ("Order book", rest-api.md of binance-spot-api-docs).
WEIGHT = 50
RETRY_S = 1.0
# Of a symbol that Binance does not know, or of an interface that is down.
RETRY_MAX_S = 60.0
_UNKNOWN = 400

log = structlog.get_logger(__name__)


class Books:
    """Makes books of the stream's changes; belongs to one run of a feed."""

    def __init__(self, rest: BinanceRest, on_gap: OnGap) -> None:
        self._rest = rest
        self._on_gap = on_gap
        self._books: dict[str, LocalBook] = {}  # by canonical symbol
        self._due: dict[str, str] = {}  # canonical symbol: Binance's spelling
        self._broker_symbols: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._delay_s = RETRY_S

    def want(self, symbols: Mapping[str, str]) -> None:
        """Fetch the books of these, whose changes come now; Binance's spelling each."""
        for symbol, broker_symbol in symbols.items():
            if self._book(symbol).is_due:
                self._due[symbol] = self._broker_symbols[symbol] = broker_symbol
        self._wake.set()

    def drop(self, symbols: Iterable[str]) -> None:
        """Forget books whose changes come no more."""
        for symbol in symbols:
            self._books.pop(symbol, None)
            self._due.pop(symbol, None)

    def take(self, change: OrderBook) -> Sequence[OrderBook]:
        """Return what may be told of a change: itself, or nothing yet."""
        found = self._book(change.symbol).take(change)
        if isinstance(found, OrderBook):
            return (found,)
        if isinstance(found, Hole):
            self._on_gap(_gap(change.symbol, found))
            broker_symbol = self._broker_symbols.get(change.symbol, change.symbol)
            self.want({change.symbol: broker_symbol})
        return ()

    async def run(self, emit: Emit) -> None:
        """Fetch the books that are due, one after the other. Never returns."""
        while True:
            while self._due:
                symbol, broker_symbol = next(iter(self._due.items()))
                try:
                    whole = await self._fetch(symbol, broker_symbol)
                except (RequestFailed, MalformedFrame) as exc:
                    await self._wait_after(exc, symbol)
                    continue
                self._delay_s = RETRY_S
                book = self._books.get(symbol)
                made = book.start(whole) if book is not None else None
                if made is None:
                    self._ask_later(symbol)
                else:
                    self._due.pop(symbol, None)
                    emit((made,))
            self._wake.clear()
            await self._wake.wait()

    async def _fetch(self, symbol: str, broker_symbol: str) -> OrderBook:
        body = await self._rest.get(
            "/api/v3/depth", weight=WEIGHT, symbol=broker_symbol, limit=LEVELS
        )
        return parse_depth(body, symbol, time.time_ns() // 1_000)

    async def _wait_after(self, exc: BrokerError, symbol: str) -> None:
        """Ask for the symbol again after some time, if Binance knows it."""
        log.warning("no whole book", broker=BROKER, symbol=symbol, error=str(exc))
        if isinstance(exc, RequestFailed) and exc.status == _UNKNOWN:
            self._due.pop(symbol, None)
            return
        self._ask_later(symbol)
        await asyncio.sleep(self._delay_s)
        self._delay_s = min(2 * self._delay_s, RETRY_MAX_S)

    def _ask_later(self, symbol: str) -> None:
        """Put the symbol behind the others, if it is still wanted."""
        broker_symbol = self._due.pop(symbol, None)
        if broker_symbol is not None:
            self._due[symbol] = broker_symbol

    def _book(self, symbol: str) -> LocalBook:
        book = self._books.get(symbol)
        if book is None:
            book = self._books[symbol] = LocalBook()
        return book


def _gap(symbol: str, hole: Hole) -> UpstreamGap:
    reason = f"updates {hole.first_id} to {hole.last_id} of the book never came"
    return UpstreamGap(symbol, Kind.ORDERBOOK, hole.from_us, hole.to_us, reason)
