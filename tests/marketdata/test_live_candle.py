"""What is published of a candle, and when."""

import pytest

from marketdata.candle_building import Read, StoredBucket
from marketdata.live_candle import KEPT, LiveCandle
from marketdata.records import Candle, Kind
from marketdata.timeframes import PriceSide, Timeframe
from marketdata.topics import Topic
from tests.history.storage import T0_US
from tests.marketdata.test_candle_building import tick

S = 1_000_000
MINUTE = 60 * S
TOPIC = Topic(Kind.CANDLE, "oanda", "EURUSD", Timeframe.M1, PriceSide.BID)


def live(now_us: int = T0_US, *, grace_us: int = S // 2) -> LiveCandle:
    return LiveCandle(TOPIC, now_us, grace_us=grace_us, is_simulated=False)


def told(candles: list[Candle]) -> list[tuple[int, float, int, bool, int]]:
    """Return (seconds since T0, close, ticks, is_final, rev) of each."""
    return [
        ((item.time_us - T0_US) // S, item.close, item.ticks, item.is_final, item.rev)
        for item in candles
    ]


def stored(start_us: int, close: float, ticks: int, rev: int = 0) -> StoredBucket:
    """Return a bucket of which the last record came in its last but one second."""
    return StoredBucket(
        start_us, 1.0, 9.0, 1.0, close, float(ticks), ticks, rev, (start_us, 0),
        (start_us + 58 * S, 0),
    )  # fmt: skip


def load(candle: LiveCandle, now_us: int, *items: StoredBucket, unstored=()) -> None:
    (read,) = candle.reads(now_us, is_whole=True)
    candle.load(read, items, unstored)


def test_due_first_record_is_published_at_once_with_all_fields() -> None:
    candle = LiveCandle(TOPIC, T0_US, grace_us=0, is_simulated=True)
    candle.add(tick(T0_US + 5, 1.5), 1)

    assert candle.due(T0_US + 9) == [
        Candle(
            broker="oanda",
            symbol="EURUSD",
            time_us=T0_US,
            received_us=T0_US + 9,
            simulated=True,
            timeframe=Timeframe.M1,
            price_side=PriceSide.BID,
            open=1.5,
            high=1.5,
            low=1.5,
            close=1.5,
            volume=1.0,
            ticks=1,
            is_final=False,
            rev=0,
        )
    ]


def test_due_publishes_at_most_once_a_second_and_only_changes() -> None:
    candle = live()
    published = []
    for tenth in range(100):
        now_us = T0_US + tenth * S // 10
        if tenth < 50:
            candle.add(tick(now_us, float(tenth)), tenth)
        published += [(tenth, item.close) for item in candle.due(now_us)]

    assert published == [(0, 0.0), (10, 10.0), (20, 20.0), (30, 30.0), (40, 40.0),
                         (50, 49.0)]  # fmt: skip


def test_due_closes_a_bucket_by_the_clock_without_another_record() -> None:
    candle = live()
    candle.add(tick(T0_US, 1.0), 1)
    assert told(candle.due(T0_US)) == [(0, 1.0, 1, False, 0)]

    assert candle.due(T0_US + MINUTE + S // 2 - 1) == []
    assert told(candle.due(T0_US + MINUTE + S // 2)) == [(0, 1.0, 1, True, 0)]
    assert candle.due(T0_US + 5 * MINUTE) == []


def test_due_bucket_without_records_gives_no_candle() -> None:
    candle = live()

    assert [candle.due(T0_US + n * S) for n in range(200)] == [[]] * 200


def test_due_late_record_within_the_grace_is_in_the_final_candle() -> None:
    candle = live()
    candle.add(tick(T0_US, 1.0), 1)
    candle.due(T0_US)
    candle.add(tick(T0_US + 59 * S, 2.0), 2)

    assert told(candle.due(T0_US + MINUTE + S // 2)) == [(0, 2.0, 2, True, 0)]


def test_due_next_bucket_waits_for_the_end_of_the_one_before() -> None:
    candle = live()
    candle.add(tick(T0_US, 1.0), 1)
    candle.due(T0_US)
    candle.add(tick(T0_US + MINUTE, 5.0), 2)

    assert candle.due(T0_US + MINUTE + S // 4) == []
    assert told(candle.due(T0_US + MINUTE + S // 2)) == [
        (0, 1.0, 1, True, 0),
        (60, 5.0, 1, False, 0),
    ]


def test_due_buckets_that_ended_since_the_last_look_are_all_closed() -> None:
    candle = live()
    for minute in range(3):
        candle.add(tick(T0_US + minute * MINUTE, float(minute)), minute)

    assert told(candle.due(T0_US + 2 * MINUTE + S)) == [
        (0, 0.0, 1, True, 0),
        (60, 1.0, 1, True, 0),
        (120, 2.0, 1, False, 0),
    ]


def test_due_late_record_after_the_end_corrects_with_a_higher_rev() -> None:
    candle = live()
    candle.add(tick(T0_US, 1.0), 1)
    candle.due(T0_US + MINUTE + S)
    candle.add(tick(T0_US + 59 * S, 2.0), 2)
    candle.add(tick(T0_US + 1, 7.0), 3)

    assert told(candle.due(T0_US + MINUTE + 3 * S)) == [(0, 2.0, 3, True, 1)]
    candle.add(tick(T0_US + 59 * S + 1, 3.0), 4)
    assert told(candle.due(T0_US + MINUTE + 5 * S)) == [(0, 3.0, 4, True, 2)]


def test_due_late_record_of_a_minute_without_others_makes_its_candle() -> None:
    candle = live()
    load(candle, T0_US)
    candle.add(tick(T0_US - MINUTE, 2.0), 1)

    assert told(candle.due(T0_US + S)) == [(-60, 2.0, 1, True, 0)]


def test_due_record_older_than_what_is_kept_is_ignored() -> None:
    candle = live()
    load(candle, T0_US)
    candle.add(tick(T0_US - KEPT * MINUTE - 1, 2.0), 1)

    assert candle.due(T0_US + S) == []


def test_due_record_of_an_unknown_past_is_ignored() -> None:
    candle = live()
    candle.add(tick(T0_US - 1, 2.0), 1)

    assert candle.due(T0_US + S) == []


def test_due_record_far_ahead_waits_for_its_time() -> None:
    candle = live()
    candle.add(tick(T0_US + MINUTE + 1, 2.0), 1)

    assert candle.due(T0_US + 2 * S) == []
    assert told(candle.due(T0_US + 61 * S)) == [(60, 2.0, 1, False, 0)]


def test_load_goes_on_with_what_is_stored_of_the_open_bucket() -> None:
    candle = live()
    candle.add(tick(T0_US + 59 * S, 2.0), 9)
    load(
        candle,
        T0_US,
        stored(T0_US, 4.0, 8),
        unstored=[(tick(T0_US + 57 * S, 3.0), 8), (tick(T0_US + 59 * S, 2.0), 9)],
    )

    (item,) = candle.due(T0_US + S)

    assert (item.open, item.high, item.low, item.close) == (1.0, 9.0, 1.0, 2.0)
    assert (item.volume, item.ticks) == (10.0, 10)


def test_load_what_was_over_before_is_not_published() -> None:
    candle = live()
    load(candle, T0_US, stored(T0_US - MINUTE, 4.0, 8, rev=2))

    assert candle.due(T0_US + S) == []


def test_load_late_record_of_what_was_over_before_corrects_it() -> None:
    candle = live()
    load(candle, T0_US, stored(T0_US - MINUTE, 4.0, 8, rev=2))
    candle.add(tick(T0_US - S, 5.0), 1)

    assert told(candle.due(T0_US + S)) == [(-60, 5.0, 9, True, 3)]


@pytest.mark.parametrize(("rev", "expected"), [(0, 1), (1, 1), (7, 7)])
def test_load_row_that_a_refresh_changed_is_published_with_a_higher_rev(
    rev: int, expected: int
) -> None:
    candle = live()
    candle.add(tick(T0_US, 1.0), 1)
    candle.due(T0_US + MINUTE + S)

    load(candle, T0_US + MINUTE + 9 * S, stored(T0_US, 4.0, 8, rev))

    assert told(candle.due(T0_US + MINUTE + 9 * S)) == [(0, 4.0, 8, True, expected)]


def test_load_what_is_as_it_was_published_is_not_published_again() -> None:
    candle = live()
    candle.add(tick(T0_US, 1.0), 1)
    candle.add(tick(T0_US + MINUTE, 1.0), 2)
    candle.due(T0_US + MINUTE + S)
    candle.due(T0_US + MINUTE + 2 * S)
    same = StoredBucket(
        T0_US, 1.0, 1.0, 1.0, 1.0, 1.0 + 1e-12, 1, 5, (T0_US, 1), (T0_US, 1)
    )

    load(
        candle,
        T0_US + MINUTE + 9 * S,
        same,
        unstored=[(tick(T0_US + MINUTE, 1.0), 2)],
    )

    assert candle.due(T0_US + MINUTE + 9 * S) == []


def test_load_at_the_end_of_a_bucket_does_not_swallow_its_final_candle() -> None:
    candle = live()
    candle.add(tick(T0_US, 1.0), 1)
    candle.due(T0_US)
    now_us = T0_US + MINUTE + S

    load(candle, now_us, unstored=[(tick(T0_US, 1.0), 1)])

    assert told(candle.due(now_us)) == [(0, 1.0, 1, True, 0)]


def test_newest_is_the_open_bucket_else_the_last_one() -> None:
    candle = live()
    assert candle.newest(T0_US) is None

    load(candle, T0_US, stored(T0_US - 2 * MINUTE, 4.0, 8, rev=2))
    assert told([candle.newest(T0_US)]) == [(-120, 4.0, 8, True, 2)]
    assert candle.due(T0_US + S) == []

    candle.add(tick(T0_US, 1.0), 1)
    assert told([candle.newest(T0_US)]) == [(0, 1.0, 1, False, 0)]


def test_reads_reach_back_over_what_is_kept() -> None:
    now_us = T0_US + 30 * S

    assert live(now_us).reads(now_us, is_whole=False) == [
        Read(Timeframe.M1, PriceSide.BID, T0_US - KEPT * MINUTE)
    ]


def test_topic_without_a_timeframe_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a candle topic"):
        LiveCandle(Topic(Kind.TICK, "a", "B"), T0_US, grace_us=0, is_simulated=False)
