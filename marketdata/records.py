"""Records: what brokers send, in the one shape that the whole server uses.

Times are integer microseconds UTC since the epoch. ``time_us`` is the venue's event
time (the receive time where the venue sends none), ``received_us`` is ours. Prices and
sizes are floats exactly as sent, sizes in the venue's unit (mostly of the base
currency; Dukascopy: millions), None where it sends none. ``symbol`` is canonical
(`EURUSD`), ``broker`` lower case. Records are never changed once made.
"""

from enum import Enum

import msgspec

from marketdata.timeframes import PriceSide, Timeframe


class Kind(Enum):
    """Type of a record; values are the names used on every interface."""

    TICK = "tick"
    TRADE = "trade"
    ORDERBOOK = "orderbook"
    TICKER = "ticker"
    CANDLE = "candle"
    FOREIGN = "foreign"


class Side(Enum):
    """Side of the order that took liquidity."""

    BUY = "buy"
    SELL = "sell"


class _Record(
    msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True, kw_only=True
):
    """What all records have in common."""

    broker: str
    symbol: str
    time_us: int
    received_us: int
    simulated: bool = False


class Tick(_Record, frozen=True, tag="tick"):
    """Best bid and ask at one moment."""

    bid: float
    ask: float
    bid_size: float | None = None
    ask_size: float | None = None

    @property
    def mid(self) -> float:
        """The tick's price."""
        return (self.bid + self.ask) / 2


class Trade(_Record, frozen=True, tag="trade"):
    """One print; ``trade_id`` is the venue's own, None where it has none."""

    price: float
    size: float
    side: Side | None = None
    trade_id: int | None = None


class OrderBook(_Record, frozen=True, tag="orderbook"):
    """Price levels as (price, size), best first; size 0 removes a level.

    A snapshot is the whole book (or its top), otherwise only changed levels follow.
    ``first_id``..``last_id`` are the venue's update numbers that the record covers.
    """

    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]
    is_snapshot: bool
    first_id: int | None = None
    last_id: int | None = None


class Ticker(_Record, frozen=True, tag="ticker"):
    """Rolling 24-hour figures; ``volume`` in base, ``quote_volume`` in quote units."""

    last: float
    open: float
    high: float
    low: float
    volume: float
    quote_volume: float | None = None


class Candle(_Record, frozen=True, tag="candle"):
    """OHLC of the bucket that starts at ``time_us``; ``ticks`` counts its records."""

    timeframe: Timeframe
    price_side: PriceSide
    open: float
    high: float
    low: float
    close: float
    volume: float
    ticks: int
    is_final: bool
    rev: int = 0


class Foreign(_Record, frozen=True, tag="foreign"):
    """A checked JSON text that another system published, to be sent on as it is.

    ``symbol`` is the name that the system gave it (`trade@TATA_INR`), not canonical.
    """

    payload: bytes


Record = Tick | Trade | OrderBook | Ticker | Candle | Foreign

KINDS: dict[type, Kind] = {
    Tick: Kind.TICK,
    Trade: Kind.TRADE,
    OrderBook: Kind.ORDERBOOK,
    Ticker: Kind.TICKER,
    Candle: Kind.CANDLE,
    Foreign: Kind.FOREIGN,
}
