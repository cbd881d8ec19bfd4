"""Rows as a recorder takes them."""

from history.live_rows import Row
from marketdata.records import Side, Tick, Trade

T0_US = 1_704_067_200_000_000  # 2024-01-01
EPOCH = 200_000_000


def tick_row(number: int, *, epoch: int = EPOCH, symbol: str = "EURUSD") -> Row:
    """Return the tick of a number: a second apart, bids a pip apart."""
    tick = Tick(
        broker="oanda",
        symbol=symbol,
        time_us=T0_US + number * 1_000_000,
        received_us=T0_US + number * 1_000_000 + 7,
        bid=1.1 + number / 10_000,
        ask=31.21,
        bid_size=None,
        ask_size=2.5,
    )
    return tick, epoch, number


def trade_row(number: int, trade_id: int | None = None) -> Row:
    """Return the trade of a number."""
    trade = Trade(
        broker="oanda",
        symbol="EURUSD",
        time_us=T0_US + number * 1_000_000,
        received_us=T0_US,
        price=1.1,
        size=0.1,
        side=Side.SELL,
        trade_id=trade_id,
    )
    return trade, EPOCH, number
