"""Trades that were missed: noticed by their ids, fetched over REST."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence

import structlog

from brokers.binance.answers import parse_trades
from brokers.binance.converters import BROKER
from brokers.binance.rest import BinanceRest
from brokers.exceptions import MalformedFrame, RequestFailed
from brokers.feed import UpstreamGap
from history.trade_holes import possible_trades
from marketdata.records import Kind, Trade

# As many as Binance answers at once.
PAGE = 1_000
# What one gap may cost: some hours of a busy market, and 150 requests at most.
MAX_TRADES = 150_000
# Between the attempts at one hole, doubling; about five minutes in all.
RETRY_MIN_S = 1.0
RETRY_MAX_S = 60.0
ATTEMPTS = 10
MAX_HOLES = 10_000
# Path and weight ("Market Data endpoints", rest-api.md of binance-spot-api-docs).
_REQUESTS = {
    "trade": ("/api/v3/historicalTrades", 25),
    "aggTrade": ("/api/v3/aggTrades", 4),
}


OnMissed = Callable[[Sequence[Trade]], None]
OnFilled = Callable[[str, int, int], None]  # symbol, between which times in us

log = structlog.get_logger(__name__)


class TradeIds:
    """The newest trade of each symbol; ids of a symbol follow each other by one.

    Outlives connections, so that what was missed between two is noticed, too.
    """

    def __init__(self) -> None:
        self._newest: dict[str, tuple[int, int]] = {}  # id and time

    def know(self, symbol: str, trade_id: int, time_us: int) -> None:
        """Note the newest trade that another process stored."""
        self._newest.setdefault(symbol, (trade_id, time_us))

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
        """Return the first and last id between the newest trade and this one.

        None as well for more than can have been: ids of another stream.
        """
        newest = self._newest.get(trade.symbol)
        if newest is None or trade.trade_id is None:
            return None
        count = trade.trade_id - newest[0] - 1
        seconds = max(0, trade.time_us - newest[1]) / 1e6
        if not 0 < count <= possible_trades(seconds):
            return None
        return newest[0] + 1, trade.trade_id - 1


async def backfill_trades(
    rest: BinanceRest,
    symbol: str,
    broker_symbol: str,
    ids: tuple[int, int],
    *,
    trade_stream: str,
) -> list[Trade]:
    """Return the trades from the first to the last id, ascending, each once.

    Of more than ``MAX_TRADES`` only the first are fetched. They were not published
    live: they belong into the store alone, under epoch 0.

    Raises:
        RequestFailed: Binance did not answer.
        MalformedFrame: it answered something else.
    """
    next_id, last_id = ids
    last_id = min(last_id, next_id + MAX_TRADES - 1)
    path, weight = _REQUESTS[trade_stream]
    found: list[Trade] = []
    while next_id <= last_id:
        body = await rest.get(
            path,
            weight=weight,
            symbol=broker_symbol,
            fromId=next_id,
            limit=min(PAGE, last_id - next_id + 1),
        )
        page = parse_trades(
            body, symbol, time.time_ns() // 1_000, trade_stream=trade_stream
        )
        wanted = [
            trade for trade in page if next_id <= (trade.trade_id or 0) <= last_id
        ]
        if not wanted:  # Binance has no more of them
            break
        found += wanted
        next_id = (wanted[-1].trade_id or 0) + 1
    return found


class Backfill:
    """Fetches missed trades behind a feed, hole by hole.

    What waits outlives ``run``, which ends with each connection; so does the hole that
    was being fetched then. ``name_of`` gives Binance's name of a symbol, None if it is
    not to be stored (any more).
    """

    def __init__(
        self, rest: BinanceRest, trade_stream: str, name_of: Callable[[str], str | None]
    ) -> None:
        self._rest = rest
        self._trade_stream = trade_stream
        self._name_of = name_of
        self._holes: deque[tuple[str, tuple[int, int]]] = deque()
        self._has_holes = asyncio.Event()

    def put(self, symbol: str, ids: tuple[int, int]) -> None:
        """Fetch the trades of a hole, first and last id, when its turn has come."""
        if len(self._holes) >= MAX_HOLES:
            log.error("too many holes of trades", broker=BROKER, symbol=symbol, ids=ids)
            return
        self._holes.append((symbol, ids))
        self._has_holes.set()

    async def run(self, on_missed: OnMissed) -> None:
        """Fetch what is missing and hand it to ``on_missed``. Never returns."""
        while True:
            await self._has_holes.wait()
            symbol, ids = self._holes[0]
            name = self._name_of(symbol)
            if name is not None:
                trades = await self._fetch(symbol, name, ids)
                on_missed(trades)
            self._holes.popleft()
            if not self._holes:
                self._has_holes.clear()

    async def _fetch(self, symbol: str, name: str, ids: tuple[int, int]) -> list[Trade]:
        """Return the trades of a hole, none if Binance does not give them."""
        facts = {"broker": BROKER, "symbol": symbol, "missing": ids[1] - ids[0] + 1}
        retry_s = RETRY_MIN_S
        for _ in range(ATTEMPTS):
            try:
                trades = await backfill_trades(
                    self._rest, symbol, name, ids, trade_stream=self._trade_stream
                )
            except (RequestFailed, MalformedFrame) as exc:
                log.warning("missed trades", error=str(exc), **facts)
                await asyncio.sleep(retry_s * random.uniform(0.5, 1.0))
                retry_s = min(2 * retry_s, RETRY_MAX_S)
            else:
                log.info("missed trades fetched", found=len(trades), **facts)
                return trades
        log.error("missed trades given up", **facts)
        return []
