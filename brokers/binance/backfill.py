"""Trades that were missed: noticed by their ids, fetched over REST."""

import asyncio
import time
from collections.abc import Callable, Sequence

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
ATTEMPTS = 5
_PATHS = {"trade": "/api/v3/historicalTrades", "aggTrade": "/api/v3/aggTrades"}


OnMissed = Callable[[Sequence[Trade]], None]

log = structlog.get_logger(__name__)


class TradeIds:
    """The newest trade of each symbol; ids of a symbol follow each other by one.

    Outlives connections, so that what was missed between two is noticed, too.
    """

    def __init__(self) -> None:
        self._newest: dict[str, tuple[int, int]] = {}  # id and time

    def take(self, trade: Trade) -> UpstreamGap | None:
        """Note the next trade; return the hole before it if there is one.

        ``missing`` says of the same trade which ids the hole has.
        """
        missing = self.missing(trade)
        newest = self._newest.get(trade.symbol)
        if trade.trade_id is None or (newest and trade.trade_id <= newest[0]):
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
    found: list[Trade] = []
    while next_id <= last_id:
        body = await rest.get(
            _PATHS[trade_stream],
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
    """Fetches missed trades behind a feed; what is fetched goes to ``on_missed``."""

    def __init__(
        self, rest: BinanceRest, on_missed: OnMissed, trade_stream: str
    ) -> None:
        self._rest = rest
        self._on_missed = on_missed
        self._trade_stream = trade_stream
        self._holes: asyncio.Queue[tuple[str, str, tuple[int, int]]] = asyncio.Queue()

    def put(self, symbol: str, broker_symbol: str, ids: tuple[int, int]) -> None:
        """Fetch the trades of a hole, first and last id, when its turn has come."""
        self._holes.put_nowait((symbol, broker_symbol, ids))

    async def run(self) -> None:
        """Fetch what is missing, hole by hole. Never returns."""
        while True:
            symbol, broker_symbol, ids = await self._holes.get()
            for _ in range(ATTEMPTS):
                try:
                    trades = await backfill_trades(
                        self._rest,
                        symbol,
                        broker_symbol,
                        ids,
                        trade_stream=self._trade_stream,
                    )
                except (RequestFailed, MalformedFrame) as exc:
                    log.warning(
                        "missed trades", broker=BROKER, symbol=symbol, error=str(exc)
                    )
                    await asyncio.sleep(RETRY_S)
                else:
                    log.info(
                        "missed trades fetched",
                        broker=BROKER,
                        symbol=symbol,
                        missing=ids[1] - ids[0] + 1,
                        found=len(trades),
                    )
                    self._on_missed(trades)
                    break
