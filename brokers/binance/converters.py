"""Binance's payloads made into records; None for those that give no record. Pure."""

from brokers.binance.payloads import (
    AggTradePayload,
    BookTickerPayload,
    DepthUpdatePayload,
    KlinePayload,
    PartialDepthPayload,
    TickerPayload,
    TradePayload,
)
from marketdata.records import Candle, OrderBook, Side, Tick, Ticker, Trade
from marketdata.timeframes import PriceSide, Timeframe

BROKER = "binance"

# Binance's interval names are ours, and it has some that we do not.
TIMEFRAMES = {timeframe.value: timeframe for timeframe in Timeframe}


def trade(
    payload: TradePayload | AggTradePayload, symbol: str, received_us: int
) -> Trade:
    """Return one print."""
    return Trade(
        broker=BROKER,
        symbol=symbol,
        time_us=payload.time_ms * 1_000,
        received_us=received_us,
        price=payload.price,
        size=payload.size,
        # The maker's order was waiting, so the other side took.
        side=Side.SELL if payload.is_buyer_maker else Side.BUY,
        trade_id=payload.id,
    )


def tick(payload: BookTickerPayload, symbol: str, received_us: int) -> Tick | None:
    """Return the best quotes, None if a side has none."""
    if not payload.bid or not payload.ask:
        return None
    return Tick(
        broker=BROKER,
        symbol=symbol,
        time_us=received_us,
        received_us=received_us,
        bid=payload.bid,
        ask=payload.ask,
        bid_size=payload.bid_size,
        ask_size=payload.ask_size,
    )


def book_change(
    payload: DepthUpdatePayload, symbol: str, received_us: int
) -> OrderBook:
    """Return levels that changed."""
    return OrderBook(
        broker=BROKER,
        symbol=symbol,
        time_us=payload.time_ms * 1_000,
        received_us=received_us,
        bids=payload.bids,
        asks=payload.asks,
        is_snapshot=False,
        first_id=payload.first_id,
        last_id=payload.last_id,
    )


def book_top(payload: PartialDepthPayload, symbol: str, received_us: int) -> OrderBook:
    """Return the best levels, or the whole book that REST answers."""
    return OrderBook(
        broker=BROKER,
        symbol=symbol,
        time_us=received_us,
        received_us=received_us,
        bids=payload.bids,
        asks=payload.asks,
        is_snapshot=True,
        last_id=payload.last_id,
    )


def ticker(payload: TickerPayload, symbol: str, received_us: int) -> Ticker:
    """Return the rolling figures."""
    return Ticker(
        broker=BROKER,
        symbol=symbol,
        time_us=payload.time_ms * 1_000,
        received_us=received_us,
        last=payload.last,
        open=payload.open,
        high=payload.high,
        low=payload.low,
        volume=payload.volume,
        quote_volume=payload.quote_volume,
    )


def candle(payload: KlinePayload, symbol: str, received_us: int) -> Candle | None:
    """Return a candle, None if we have no such interval."""
    body = payload.body
    timeframe = TIMEFRAMES.get(body.interval)
    if timeframe is None:
        return None
    return Candle(
        broker=BROKER,
        symbol=symbol,
        time_us=body.start_ms * 1_000,
        received_us=received_us,
        timeframe=timeframe,
        price_side=PriceSide.TRADE,
        open=body.open,
        high=body.high,
        low=body.low,
        close=body.close,
        volume=body.volume,
        ticks=body.trades,
        is_final=body.is_final,
    )
