import pytest

from brokers.demand import Change
from brokers.feed import FollowedInstrument
from brokers.wanted import LastingDemand, needed_kinds, wanted_instruments
from marketdata.records import Kind
from marketdata.timeframes import PriceSide, Timeframe
from marketdata.topics import Topic

TICK, TRADE, BOOK, TICKER = Kind.TICK, Kind.TRADE, Kind.ORDERBOOK, Kind.TICKER
TICKS = Topic(TICK, "fake", "EURUSD")
BOOKS = Topic(BOOK, "fake", "EURUSD")


def candles(side: PriceSide) -> Topic:
    return Topic(Kind.CANDLE, "fake", "EURUSD", Timeframe.M1, side)


@pytest.mark.parametrize(
    ("topic", "kinds"),
    [
        (TICKS, {TICK}),
        (Topic(TRADE, "fake", "EURUSD"), {TRADE}),
        (BOOKS, {BOOK}),
        (candles(PriceSide.MID), {TICK}),
        (candles(PriceSide.ASK), {TICK}),
        (candles(PriceSide.TRADE), {TRADE}),
        (Topic(TICKER, "fake", "EURUSD"), {TICK, TRADE, TICKER}),
        (Topic(Kind.FOREIGN, "fake", "EURUSD"), set()),
    ],
)
def test_needed_kinds_are_what_a_topic_is_made_of(
    topic: Topic, kinds: set[Kind]
) -> None:
    assert needed_kinds(topic) == kinds


def test_demand_lasts_for_the_grace_period_after_the_last_follower() -> None:
    demand = LastingDemand(30.0)
    demand.take(Change(added=(TICKS, BOOKS)), 0.0)
    assert demand.kinds(1e6) == {"EURUSD": {TICK, BOOK}}

    demand.take(Change(removed=(BOOKS,)), 100.0)

    assert demand.kinds(129.9) == {"EURUSD": {TICK, BOOK}}
    assert demand.kinds(130.0) == {"EURUSD": {TICK}}


def test_demand_that_comes_back_in_time_never_ended() -> None:
    demand = LastingDemand(30.0)
    demand.take(Change(added=(TICKS,)), 0.0)
    demand.take(Change(removed=(TICKS,)), 10.0)

    demand.take(Change(added=(TICKS,)), 20.0)

    assert demand.kinds(1e6) == {"EURUSD": {TICK}}


def test_demand_that_is_over_leaves_nothing() -> None:
    demand = LastingDemand(0.0)
    demand.take(Change(added=(TICKS,)), 0.0)
    demand.take(Change(removed=(TICKS,)), 0.0)

    assert demand.kinds(0.0) == {}


def test_wanted_instruments_are_recorded_or_demanded_with_their_kinds() -> None:
    recorded = FollowedInstrument("EURUSD", "EUR_USD", 5)
    other = FollowedInstrument("GBPUSD", "GBP_USD", 5, is_recorded=False)
    idle = FollowedInstrument("USDJPY", "USD_JPY", 3, is_recorded=False)
    demanded = {"EURUSD": frozenset({BOOK}), "GBPUSD": frozenset({TICK})}

    assert wanted_instruments([recorded, other, idle], demanded) == [
        FollowedInstrument(
            "EURUSD", "EUR_USD", 5, kinds=frozenset({TICK, TRADE, BOOK})
        ),
        FollowedInstrument(
            "GBPUSD", "GBP_USD", 5, is_recorded=False, kinds=frozenset({TICK})
        ),
    ]
