from random import Random

import pytest

from brokers.simulated.prices import BASE_PRICES, BOOK_LEVELS, PriceWalk
from marketdata.records import OrderBook, Record, Tick, Trade


def walk(symbol: str, decimals: int, steps: int, seed: int = 1) -> list[Record]:
    prices = PriceWalk(symbol, decimals, Random(seed).random)
    return [record for step in range(steps) for record in prices.step(step, step + 1)]


def test_step_first_tick_of_a_seed() -> None:
    records = walk("EURUSD", 5, 1)

    assert records == [
        Tick(
            broker="simulated",
            symbol="EURUSD",
            time_us=0,
            received_us=1,
            simulated=True,
            bid=1.08493,
            ask=1.08501,
            bid_size=87321.082,
            ask_size=79610.564,
        )
    ]


def test_step_same_seed_gives_the_same_records() -> None:
    assert walk("BTCUSDT", 2, 500) == walk("BTCUSDT", 2, 500)
    assert walk("BTCUSDT", 2, 500) != walk("BTCUSDT", 2, 500, seed=2)


@pytest.mark.parametrize(
    ("symbol", "decimals"),
    [("EURUSD", 5), ("USDJPY", 3), ("BTCUSDT", 2), ("NOBASE", 0), ("NOBASE", 8)],
)
def test_step_prices_have_the_decimals_and_a_spread(symbol: str, decimals: int) -> None:
    ticks = [item for item in walk(symbol, decimals, 2_000) if isinstance(item, Tick)]

    assert len(ticks) == 2_000
    assert all(0 < tick.bid < tick.ask for tick in ticks)
    assert all(round(tick.bid, decimals) == tick.bid for tick in ticks)
    assert all(round(tick.ask, decimals) == tick.ask for tick in ticks)
    assert all((tick.bid_size or 0) > 0 and (tick.ask_size or 0) > 0 for tick in ticks)


@pytest.mark.parametrize(("symbol", "decimals"), [("EURUSD", 5), ("BTCUSDT", 2)])
def test_step_a_day_of_prices_stays_near_the_base(symbol: str, decimals: int) -> None:
    base = BASE_PRICES[symbol]

    ticks = [item for item in walk(symbol, decimals, 40_000) if isinstance(item, Tick)]

    assert all(abs(tick.mid / base - 1) < 0.05 for tick in ticks)
    assert len({tick.mid for tick in ticks}) > 100


def test_step_trades_and_books_fit_their_tick() -> None:
    last_tick, trades, books = None, [], []
    for record in walk("EURUSD", 5, 2_000):
        match record:
            case Tick():
                last_tick = record
            case Trade():
                trades.append(record)
                assert record.price in (last_tick.bid, last_tick.ask)
                assert record.size > 0
            case OrderBook():
                books.append(record)
                assert record.bids[0][0] == last_tick.bid
                assert record.asks[0][0] == last_tick.ask
                assert len(record.bids) == len(record.asks) == BOOK_LEVELS
                assert record.bids == tuple(sorted(record.bids, reverse=True))
                assert record.asks == tuple(sorted(record.asks))

    assert [trade.trade_id for trade in trades] == list(range(1, len(trades) + 1))
    assert 100 < len(trades) < 300
    assert 10 < len(books) < 90
