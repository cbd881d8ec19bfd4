"""The mocks of server A: a tick now and then, at a price from a fixed range. Pure.

COMPAT A-BR-03 and A-BR-05. They had one price and no spread, so bid and ask are equal;
the volume is the bid's size.
"""

from collections.abc import Callable

from brokers.simulated.prices import BASE_PRICES, OTHER_BASE_PRICE
from marketdata.records import Record, Tick

BINANCE_PERIOD_S = 1.0
BINANCE_PRICES = (100_000.0, 101_000.0)
BINANCE_MAX_VOLUME = 100.0

OANDA_PERIOD_S = 0.5
OANDA_MOVE = 0.0005
OANDA_MAX_VOLUME = 1e6
# Others are at 1.0, whatever they are worth.
_OANDA_SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY", "AUDUSD", "USDCAD")


class _Mock:
    """Ticks of one instrument, each by itself; ``random`` as of `PriceWalk`."""

    broker: str

    def __init__(self, symbol: str, decimals: int, random: Callable[[], float]) -> None:
        self._symbol = symbol
        # A frame has one decimal more than the instrument, and so has a price here.
        self._digits = decimals + 1
        self._random = random

    def _tick(
        self, prices: tuple[float, float], volume: float, time_us: int, received_us: int
    ) -> list[Record]:
        low, high = prices
        price = round(low + self._random() * (high - low), self._digits)
        return [
            Tick(
                broker=self.broker,
                symbol=self._symbol,
                time_us=time_us,
                received_us=received_us,
                simulated=True,
                bid=price,
                ask=price,
                bid_size=self._random() * volume,
            )
        ]


class BinanceMock(_Mock):
    """Server A's mock of Binance: every symbol costs 100,000 to 101,000."""

    broker = "simulated-binance"

    def step(self, time_us: int, received_us: int) -> list[Record]:
        """Return the next tick."""
        return self._tick(BINANCE_PRICES, BINANCE_MAX_VOLUME, time_us, received_us)


class OandaMock(_Mock):
    """Server A's mock of OANDA: a symbol stays within 0.0005 of its base."""

    broker = "simulated-oanda"

    def step(self, time_us: int, received_us: int) -> list[Record]:
        """Return the next tick."""
        base = OTHER_BASE_PRICE
        if self._symbol in _OANDA_SYMBOLS:
            base = BASE_PRICES[self._symbol]
        prices = (base - OANDA_MOVE, base + OANDA_MOVE)
        return self._tick(prices, OANDA_MAX_VOLUME, time_us, received_us)
