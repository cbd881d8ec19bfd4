"""Trades that were missed: noticed by their ids, fetched over REST."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec
import structlog

from brokers.binance.answers import parse_trades
from brokers.binance.converters import BROKER
from brokers.binance.rest import BinanceRest
from brokers.exceptions import MalformedFrame, RequestFailed
from brokers.feed import UpstreamGap
from marketdata.records import Kind, Trade

# As many as Binance answers at once.
PAGE = 1_000
# What one gap may cost: some hours of a busy market, and 150 requests at most.
MAX_TRADES = 150_000
# Between the attempts at one hole.
RETRY_S = 30.0
ATTEMPTS = 20
MAX_HOLES = 10_000
# How far trades of a hole may be from the times of those around it.
SLACK_US = 60_000_000
_PATHS = {"trade": "/api/v3/historicalTrades", "aggTrade": "/api/v3/aggTrades"}


OnMissed = Callable[[Sequence[Trade]], None]
OnFilled = Callable[[str, int, int], None]  # symbol and times, in us

log = structlog.get_logger(__name__)


class TradeIds:
    """The newest trade of each symbol; ids of a symbol follow each other by one.

    Outlives connections, so that what was missed between two is noticed, too.
    """

    def __init__(self) -> None:
        self._newest: dict[str, tuple[int, int]] = {}  # id and time

    def begin_behind(self, lasts: Mapping[str, tuple[int, int]]) -> None:
        """Take the id and time in us of trades of an earlier process, by symbol."""
        self._newest = dict(lasts)

    def keep(self, symbols: Collection[str]) -> None:
        """Forget all others: what comes of them while nobody wants it is not missed."""
        for symbol in self._newest.keys() - symbols:
            del self._newest[symbol]

    def take(self, trade: Trade) -> UpstreamGap | None:
        """Note the next trade; return the hole before it if there is one.

        ``missing`` says of the same trade which ids the hole has. A lower id of a later
        time is of another stream, which counts otherwise.
        """
        missing = self.missing(trade)
        newest = self._newest.get(trade.symbol)
        if trade.trade_id is None:
            return None
        if newest and trade.trade_id <= newest[0] and trade.time_us <= newest[1]:
            return None
        self._newest[trade.symbol] = (trade.trade_id, trade.time_us)
        if missing is None or newest is None:
            return None
        reason = f"trades {missing[0]} to {missing[1]} never came"
        return UpstreamGap(trade.symbol, Kind.TRADE, newest[1], trade.time_us, reason)

    def missing(self, trade: Trade) -> tuple[int, int] | None:
        """Return the first and last id between the newest trade and this one."""
        newest = self._newest.get(trade.symbol)
        if newest is None or trade.trade_id is None or trade.trade_id <= newest[0] + 1:
            return None
        return newest[0] + 1, trade.trade_id - 1


class Hole(msgspec.Struct):
    """Trades of a symbol that never came, ``next_id`` to ``last_id``, ascending.

    ``gap`` has the times of the trades around it. What was fetched is taken off.
    """

    gap: UpstreamGap
    broker_symbol: str
    next_id: int
    last_id: int
    attempts: int = 0
    found: int = 0


async def fetch_page(rest: BinanceRest, hole: Hole, trade_stream: str) -> list[Trade]:
    """Return the next trades of a hole, ascending; none if Binance has no more.

    They were not published live: they belong into the store alone, under epoch 0.

    Raises:
        RequestFailed: Binance did not answer.
        MalformedFrame: it answered something else.
    """
    body = await rest.get(
        _PATHS[trade_stream],
        symbol=hole.broker_symbol,
        fromId=hole.next_id,
        limit=min(PAGE, hole.last_id - hole.next_id + 1),
    )
    received_us = time.time_ns() // 1_000
    page = parse_trades(body, hole.gap.symbol, received_us, trade_stream=trade_stream)
    from_us, to_us = hole.gap.from_us or 0, hole.gap.to_us or received_us
    return [
        trade
        for trade in page
        if hole.next_id <= (trade.trade_id or 0) <= hole.last_id
        # Another stream counts otherwise: its trades of these ids are others.
        and from_us - SLACK_US <= trade.time_us <= to_us + SLACK_US
    ]


class Backfill:
    """Fetches missed trades behind a feed; what is fetched goes to ``on_missed``.

    ``on_filled`` hears of each hole that is done, by the times of the trades around it.
    Belongs to the feed, not to a connection: what is not fetched yet waits for the
    next ``run``.
    """

    def __init__(
        self, rest: BinanceRest, on_missed: OnMissed, trade_stream: str
    ) -> None:
        self.on_filled: OnFilled = lambda symbol, from_us, to_us: None
        self._rest = rest
        self._on_missed = on_missed
        self._trade_stream = trade_stream
        self._holes: deque[Hole] = deque()
        self._wake = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Return how many holes are not filled yet."""
        return len(self._holes)

    def put(self, gap: UpstreamGap, broker_symbol: str, ids: tuple[int, int]) -> None:
        """Fetch the trades of a hole, first and last id, when its turn has come."""
        if len(self._holes) >= MAX_HOLES:
            log.error("too many holes, trades not fetched", symbol=gap.symbol, ids=ids)
            return
        first_id, last_id = ids
        last_id = min(last_id, first_id + MAX_TRADES - 1)
        self._holes.append(Hole(gap, broker_symbol, first_id, last_id))
        self._wake.set()

    async def run(self) -> None:
        """Fetch what is missing, hole by hole. Never returns."""
        while True:
            while not self._holes:
                self._wake.clear()
                await self._wake.wait()
            hole = self._holes[0]
            try:
                page = await fetch_page(self._rest, hole, self._trade_stream)
            except (RequestFailed, MalformedFrame) as exc:
                self._put_back(hole, exc)
                await asyncio.sleep(RETRY_S)
            else:
                self._take(hole, page)

    def _take(self, hole: Hole, page: Sequence[Trade]) -> None:
        if page:
            self._on_missed(page)
            hole.found += len(page)
            hole.next_id = (page[-1].trade_id or 0) + 1
        if not page or hole.next_id > hole.last_id:
            self._holes.popleft()
            log.info(
                "missed trades fetched",
                broker=BROKER,
                symbol=hole.gap.symbol,
                found=hole.found,
            )
            gap = hole.gap
            if gap.from_us is not None and gap.to_us is not None:
                self.on_filled(gap.symbol, gap.from_us, gap.to_us)

    def _put_back(self, hole: Hole, exc: Exception) -> None:
        """Have the others before it; after some failures it is given up."""
        self._holes.popleft()
        hole.attempts += 1
        is_given_up = hole.attempts >= ATTEMPTS
        if not is_given_up:
            self._holes.append(hole)
        log.warning(
            "missed trades",
            broker=BROKER,
            symbol=hole.gap.symbol,
            error=str(exc),
            given_up=is_given_up,
        )
