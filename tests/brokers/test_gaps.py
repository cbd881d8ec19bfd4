import msgspec

from brokers.feed import UpstreamGap
from brokers.gaps import SETTLE_US, GapFinder
from marketdata.records import Kind
from tests.brokers.fakes import book, tick, trade

S = 1_000_000


def at(record, second, **fields):
    return msgspec.structs.replace(record, time_us=second * S, **fields)


def lost(*records):
    gaps = GapFinder({})
    gaps.lose(records)
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
    gaps.lose([at(tick(), 10)])
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
    gaps.lose([])

    assert gaps.settle(100 * S, {"EURUSD"}) == []
    assert gaps.is_open
