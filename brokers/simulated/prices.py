"""Invented prices: a random walk per instrument. Pure.

The same random numbers give the same prices, whatever other instruments are walked
beside it.
"""

from collections.abc import Callable

from marketdata.records import OrderBook, Record, Side, Tick, Trade

BROKER = "simulated"

# Where the walks start; the first seven are the mocks of server A (COMPAT A-BR-03/05),
# the shares those of server C's sample publisher (C-17).
BASE_PRICES = {
    "EURUSD": 1.0850,
    "GBPUSD": 1.2650,
    "USDJPY": 156.50,
    "AUDUSD": 0.6450,
    "USDCAD": 1.3650,
    "BTCUSDT": 100_000.0,
    "ETHUSDT": 3_500.0,
    "USDCHF": 0.8850,
    "NZDUSD": 0.5950,
    "EURGBP": 0.8580,
    "EURJPY": 169.80,
    "GBPJPY": 198.00,
    "XAUUSD": 2_650.0,
    "XAGUSD": 31.50,
    "AAPL": 150.0,
    "GOOGL": 140.0,
    "MSFT": 380.0,
    "TSLA": 250.0,
    "AMZN": 175.0,
}
OTHER_BASE_PRICE = 1.0

# One step in units of the price: at 5 steps a second a day moves about 1 %.
STEP = 2e-5
# Pull back to the base per step, so that weeks of steps stay near it.
PULL = 1e-6
SPREAD = 7e-5
BOOK_LEVELS = 5
LOT_VALUE = 100_000  # about the value of a level, in quote units

TRADE_CHANCE = 0.1  # per step
BOOK_CHANCE = 0.02

_WIDTH = 12**0.5 * STEP  # of a uniform distribution with the standard deviation STEP


class PriceWalk:
    """The records of one instrument, a step at a time: ticks, some trades and books.

    ``random`` gives uniform numbers in [0, 1); prices have ``decimals`` decimals.
    """

    def __init__(self, symbol: str, decimals: int, random: Callable[[], float]) -> None:
        self._random = random
        self._symbol = symbol
        self._scale = 10**decimals
        base = BASE_PRICES.get(symbol, OTHER_BASE_PRICE)
        self._lot = LOT_VALUE / base
        # In points (units of the last decimal), so that prices have just its decimals.
        self._base = self._mid = base * self._scale
        self._spread = max(1, round(self._base * SPREAD))
        # Keeps the deepest bid above 0 for prices of few points.
        self._floor = self._spread + BOOK_LEVELS
        self._trades = 0

    def step(self, time_us: int, received_us: int) -> list[Record]:
        """Return the next tick, and sometimes a trade or a book that fits it."""
        random = self._random
        move = (random() - 0.5) * _WIDTH * self._base
        pull = (self._base - self._mid) * PULL
        self._mid = max(self._mid + move + pull, self._floor)
        bid = round(self._mid - self._spread / 2)
        tick = Tick(
            broker=BROKER,
            symbol=self._symbol,
            time_us=time_us,
            received_us=received_us,
            simulated=True,
            bid=bid / self._scale,
            ask=(bid + self._spread) / self._scale,
            bid_size=self._size(),
            ask_size=self._size(),
        )
        dice = random()
        if dice < TRADE_CHANCE:
            return [tick, self._trade(tick)]
        if dice < TRADE_CHANCE + BOOK_CHANCE:
            return [tick, self._book(tick, bid)]
        return [tick]

    def _size(self) -> float:
        return round(self._lot * (0.1 + self._random()), 3)

    def _trade(self, tick: Tick) -> Trade:
        self._trades += 1
        is_buy = self._random() < 0.5
        return Trade(
            broker=BROKER,
            symbol=self._symbol,
            time_us=tick.time_us,
            received_us=tick.received_us,
            simulated=True,
            price=tick.ask if is_buy else tick.bid,
            size=self._size(),
            side=Side.BUY if is_buy else Side.SELL,
            trade_id=self._trades,
        )

    def _book(self, tick: Tick, bid: int) -> OrderBook:
        ask = bid + self._spread
        levels = range(BOOK_LEVELS)
        return OrderBook(
            broker=BROKER,
            symbol=self._symbol,
            time_us=tick.time_us,
            received_us=tick.received_us,
            simulated=True,
            bids=tuple(((bid - i) / self._scale, self._size()) for i in levels),
            asks=tuple(((ask + i) / self._scale, self._size()) for i in levels),
            is_snapshot=True,
        )
