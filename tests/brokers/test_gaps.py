import msgspec

from brokers.feed import UpstreamGap
from brokers.gaps import SETTLE_US, GapFinder
from marketdata.catalog import InstrumentType
from marketdata.records import Kind
from tests.brokers.fakes import book, tick, trade

S = 1_000_000


def at(record, second, **fields):
    return msgspec.structs.replace(record, time_us=second * S, **fields)


def lost(*records):
    gaps = GapFinder({})
    gaps.lose(records, 15 * S)
    gaps.come_back(20 * S)
    return gaps


def test_take_first_record_after_a_loss_ends_the_gap_of_its_topic():
    gaps = lost(at(tick(), 10), at(trade(), 11), at(book(), 12))

    found = gaps.take([at(tick(), 21), at(tick(), 22), at(book(), 23)])

    assert found == [
        UpstreamGap("EURUSD", Kind.TICK, 10 * S, 21 * S, "connection lost"),
        UpstreamGap("EURUSD", Kind.ORDERBOOK, 12 * S, 23 * S, "connection lost"),
    ]
    assert gaps.is_open
    assert gaps.take([at(tick(), 24)]) == []


def test_take_record_that_is_not_newer_tells_that_nothing_came_meanwhile():
    gaps = lost(at(tick(), 10))

    assert gaps.take([at(tick(), 10), at(tick(), 30)]) == []
    assert not gaps.is_open


def test_take_next_trade_number_tells_that_no_trade_is_missing():
    last = at(trade(), 10, trade_id=7)

    assert lost(last).take([at(trade(), 21, trade_id=8)]) == []
    assert len(lost(last).take([at(trade(), 21, trade_id=9)])) == 1
    assert len(lost(last).take([at(trade(), 21)])) == 1


def test_take_topic_that_had_no_record_has_no_gap():
    assert lost(at(tick(), 10)).take([at(tick(symbol="GBPUSD"), 21)]) == []


def test_take_knows_what_an_earlier_process_stored():
    gaps = GapFinder({(Kind.TICK, "EURUSD"): 5 * S})

    assert gaps.take([at(tick(), 21)]) == [
        UpstreamGap("EURUSD", Kind.TICK, 5 * S, 21 * S, "feed not running")
    ]


def test_lose_again_before_a_record_came_leaves_one_gap():
    gaps = lost(at(tick(), 10))
    gaps.lose([at(tick(), 10)], 25 * S)
    gaps.come_back(30 * S)

    assert [gap.from_us for gap in gaps.take([at(tick(), 31)])] == [10 * S]


def test_settle_quiet_topic_gap_ends_when_the_connection_was_back():
    gaps = lost(at(tick(), 10), at(tick(symbol="GBPUSD"), 10))

    assert gaps.settle(20 * S + SETTLE_US - 1, {"EURUSD"}) == []
    assert gaps.settle(20 * S + SETTLE_US, {"EURUSD"}) == [
        UpstreamGap("EURUSD", Kind.TICK, 10 * S, 20 * S, "connection lost")
    ]
    assert not gaps.is_open


def test_settle_while_the_connection_is_lost_tells_nothing():
    gaps = lost(at(tick(), 10))
    gaps.lose([], 25 * S)

    assert gaps.settle(100 * S, {"EURUSD"}) == []
    assert gaps.is_open


# Friday 2024-03-08 21:59:58 UTC; the market closes 2 s later, until Sunday 21:00 UTC
# (New York's clocks go forward in between).
FRIDAY = 1_709_935_198
CLOSE, OPEN = FRIDAY + 2, 1_710_104_400
SATURDAY = CLOSE + 12 * 3_600


def over_a_weekend(live_until, back, first, market=InstrumentType.FOREX):
    """Return the gaps told by the first tick behind a weekend, in seconds."""
    live_until_us = None if live_until is None else live_until * S
    gaps = GapFinder({(Kind.TICK, "EURUSD"): FRIDAY * S}, live_until_us)
    gaps.market_of = lambda symbol: market
    gaps.come_back(back * S)
    found = gaps.take([at(tick(), first)])
    return [(gap.from_us // S, gap.to_us // S) for gap in found]


def test_take_feed_that_was_away_on_a_closed_weekend_missed_nothing():
    assert over_a_weekend(SATURDAY, SATURDAY + 60, OPEN + 1) == []


def test_take_feed_that_was_away_on_friday_or_on_sunday_missed_that():
    late = OPEN + 1_800
    assert over_a_weekend(SATURDAY, late, late + 1) == [(OPEN, late + 1)]
    assert over_a_weekend(FRIDAY, SATURDAY, OPEN + 1) == [(FRIDAY, CLOSE)]
    assert over_a_weekend(FRIDAY, late, late + 1) == [
        (FRIDAY, CLOSE),
        (OPEN, late + 1),
    ]


def test_take_unknown_end_of_the_process_before_counts_from_its_last_record():
    assert over_a_weekend(None, SATURDAY, OPEN + 1) == [(FRIDAY, CLOSE)]


def test_take_crypto_has_no_weekend():
    crypto = InstrumentType.CRYPTO

    found = over_a_weekend(SATURDAY, SATURDAY + 60, OPEN + 1, crypto)

    assert found == [(FRIDAY, OPEN + 1)]


def test_settle_quiet_topic_of_a_closed_market_missed_nothing():
    gaps = GapFinder({})
    gaps.market_of = lambda symbol: InstrumentType.FOREX
    gaps.lose([at(tick(), FRIDAY)], SATURDAY * S)
    gaps.come_back((SATURDAY + 60) * S)

    assert gaps.settle((SATURDAY + 90) * S, {"EURUSD"}) == []
    assert not gaps.is_open


def test_lose_part_leaves_the_other_topics_alone():
    gaps = GapFinder({})
    ticks, trades = (Kind.TICK, "EURUSD"), (Kind.TRADE, "EURUSD")
    gaps.lose([at(tick(), 10)], 15 * S, {ticks})
    gaps.lose([at(trade(), 11)], 16 * S, {trades})
    gaps.come_back(20 * S, {ticks})

    assert [gap.kind for gap in gaps.settle(20 * S + SETTLE_US, {"EURUSD"})] == [
        Kind.TICK
    ]
    gaps.come_back(50 * S, {ticks, trades})
    assert gaps.settle(50 * S + SETTLE_US, {"EURUSD"}) == [
        UpstreamGap("EURUSD", Kind.TRADE, 11 * S, 50 * S, "connection lost")
    ]
