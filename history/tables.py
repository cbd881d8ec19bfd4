"""Names and codes of the stored tables that SQL is written with."""

from marketdata.candle_building import RECORD_TYPES
from marketdata.records import KINDS
from marketdata.timeframes import STORED, PriceSide, Timeframe

# Price sides as stored, in two bytes; the order is part of the data.
PRICE_SIDE_CODES = {
    PriceSide.MID: 0,
    PriceSide.BID: 1,
    PriceSide.ASK: 2,
    PriceSide.TRADE: 3,
}
# The kind of the records whose gaps touch the candles of a price side.
GAP_KINDS = {
    side: KINDS[record_type].value for side, record_type in RECORD_TYPES.items()
}
CANDLE_TABLES: dict[Timeframe, str] = {
    timeframe: f"candles_{timeframe.value}" for timeframe in STORED
}
