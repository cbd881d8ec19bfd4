"""Records and a catalog that the tests of this app share."""

from marketdata.catalog import Broker, Catalog, Instrument, InstrumentType
from marketdata.records import Candle, Foreign, OrderBook, Side, Tick, Ticker, Trade
from marketdata.timeframes import PriceSide, Timeframe

NOW_US = 1_704_153_600_123_456  # 2024-01-02T00:00:00.123456Z

TICK = Tick(
    broker="binance",
    symbol="BTCUSDT",
    time_us=NOW_US,
    received_us=NOW_US + 900,
    bid=42_000.11,
    ask=42_000.12,
    bid_size=1.5,
    ask_size=0.25,
)
TRADE = Trade(
    broker="binance",
    symbol="BTCUSDT",
    time_us=NOW_US,
    received_us=NOW_US + 900,
    price=42_000.12,
    size=0.015,
    side=Side.BUY,
    trade_id=3_298_741_234,
)
BOOK = OrderBook(
    broker="binance",
    symbol="BTCUSDT",
    time_us=NOW_US,
    received_us=NOW_US,
    bids=((42_000.11, 1.5), (42_000.1, 2.0)),
    asks=((42_000.12, 0.25),),
    is_snapshot=True,
    first_id=10,
    last_id=12,
)
TICKER = Ticker(
    broker="binance",
    symbol="BTCUSDT",
    time_us=NOW_US,
    received_us=NOW_US,
    last=42_000.12,
    open=41_000.0,
    high=42_500.5,
    low=40_900.25,
    volume=1_234.5,
)
CANDLE = Candle(
    broker="binance",
    symbol="BTCUSDT",
    time_us=1_704_153_600_000_000,
    received_us=NOW_US,
    timeframe=Timeframe.M1,
    price_side=PriceSide.MID,
    open=42_000.0,
    high=42_001.0,
    low=41_999.5,
    close=42_000.115,
    volume=12.5,
    ticks=7,
    is_final=False,
)

FOREIGN = Foreign(
    broker="redis",
    symbol="trade@TATA_INR",
    time_us=NOW_US,
    received_us=NOW_US,
    payload=b'{"stream":"trade@TATA_INR","data":{"e":"trade","p":"1000.5"}}',
)

BTCUSDT = Instrument(
    symbol="BTCUSDT",
    display="BTC/USDT",
    type=InstrumentType.CRYPTO,
    decimals=2,
    brokers={"binance": "btcusdt", "kraken": "XBT/USDT", "simulated": "BTCUSDT"},
)
EURUSD = Instrument(
    symbol="EURUSD",
    display="EUR/USD",
    type=InstrumentType.FOREX,
    decimals=5,
    brokers={"oanda": "EUR_USD", "dukascopy": "EURUSD", "simulated": "EURUSD"},
    is_recorded=False,
)


def catalog(*enabled: str) -> Catalog:
    """Return a catalog of two instruments with the named brokers enabled."""
    names = ("binance", "dukascopy", "kraken", "oanda", "simulated")
    return Catalog(
        [BTCUSDT, EURUSD],
        [Broker(name, name in enabled, name == "simulated") for name in names],
    )


def tick(number: int = 0, **changes: object) -> Tick:
    """Return a tick whose bid tells its number apart."""
    values = {"time_us": NOW_US + number * 1_000, "bid": 42_000.0 + number / 100}
    fields = {name: getattr(TICK, name) for name in Tick.__struct_fields__}
    return Tick(**(fields | values | changes))
