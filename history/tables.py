"""Names and codes of the stored tables that SQL is written with."""

from marketdata.timeframes import STORED, PriceSide, Timeframe

# Price sides as stored, in two bytes; the order is part of the data.
PRICE_SIDE_CODES = {
    PriceSide.MID: 0,
    PriceSide.BID: 1,
    PriceSide.ASK: 2,
    PriceSide.TRADE: 3,
}
CANDLE_TABLES: dict[Timeframe, str] = {
    timeframe: f"candles_{timeframe.value}" for timeframe in STORED
}
