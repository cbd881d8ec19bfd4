"""Buckets of records in any order, and of what the store has, against brute force."""

import math
from collections import defaultdict
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.candle_building import (
    MAX_AHEAD,
    RECORD_TYPES,
    Bucket,
    BucketRow,
    Numbered,
    StoredBucket,
)
from marketdata.numbering import pack
from marketdata.records import Tick, Trade
from marketdata.timeframes import PriceSide, Timeframe
from tests.history.storage import T0_US, assert_same_candles, candles_of

MINUTE_US = 60_000_000
EPOCH = 200_000_000


def tick(time_us: int, bid: float, *, bid_size: float | None = 1.0) -> Tick:
    return Tick(
        broker="oanda",
        symbol="EURUSD",
        time_us=time_us,
        received_us=time_us,
        bid=bid,
        ask=bid + 2.0,
        bid_size=bid_size,
        ask_size=3.0,
    )


def trade(time_us: int, price: float, size: float = 1.0) -> Trade:
    return Trade(
        broker="oanda",
        symbol="EURUSD",
        time_us=time_us,
        received_us=time_us,
        price=price,
        size=size,
    )


def row_of(side: PriceSide, *numbered: Numbered, kept: int = 10) -> BucketRow:
    row = BucketRow(Timeframe.M1, side, T0_US, kept=kept)
    for record, seq in numbered:
        row.add(record, seq)
    return row


def figures(bucket: Bucket | StoredBucket) -> tuple[float, ...]:
    return (
        bucket.open,
        bucket.high,
        bucket.low,
        bucket.close,
        bucket.volume,
        bucket.ticks,
    )


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (PriceSide.MID, (2.0, 4.0, 2.0, 3.0, 3.0, 3)),
        (PriceSide.BID, (1.0, 3.0, 1.0, 2.0, 3.0, 3)),
        (PriceSide.ASK, (3.0, 5.0, 3.0, 4.0, 9.0, 3)),
    ],
)
def test_add_ticks_gives_the_figures_of_a_side(
    side: PriceSide, expected: tuple[float, ...]
) -> None:
    row = row_of(
        side, (tick(T0_US, 1.0), 1), (tick(T0_US, 3.0), 2), (tick(T0_US + 1, 2.0), 3)
    )

    assert figures(row.buckets[T0_US]) == expected


def test_add_trades_gives_their_prices_and_sizes() -> None:
    row = row_of(
        PriceSide.TRADE, (trade(T0_US, 5.0, 0.5), 1), (trade(T0_US + 1, 4.0, 0.25), 2)
    )

    assert figures(row.buckets[T0_US]) == (5.0, 5.0, 4.0, 4.0, 0.75, 2)


def test_add_unknown_size_adds_no_volume() -> None:
    row = row_of(PriceSide.BID, (tick(T0_US, 1.0, bid_size=None), 1))

    assert figures(row.buckets[T0_US])[4:] == (0.0, 1)


def test_add_record_before_the_floor_is_ignored() -> None:
    row = row_of(PriceSide.BID)

    assert row.add(tick(T0_US - 1, 1.0), 1) is None
    assert row.buckets == {}


def test_add_nonsense_from_the_future_does_not_grow_without_bound() -> None:
    row = row_of(PriceSide.BID, kept=2)
    for number in range(100):
        row.add(tick(T0_US + number * MINUTE_US, 1.0), number)
    row.add(tick(T0_US + MINUTE_US, 1.0), 200)

    assert len(row.buckets) == 2 + 1 + MAX_AHEAD
    assert min(row.buckets) == T0_US


def test_load_replaces_what_was_counted_from_there_on() -> None:
    row = row_of(
        PriceSide.BID, (tick(T0_US, 1.0), 1), (tick(T0_US + MINUTE_US, 2.0), 2)
    )
    stored = StoredBucket(
        T0_US + MINUTE_US, 5.0, 6.0, 4.0, 5.5, 7.0, 9, 3, (T0_US + MINUTE_US, 0),
        (T0_US + MINUTE_US + 9, 9),
    )  # fmt: skip
    late = tick(T0_US + 2, 8.0), 3
    newer = tick(T0_US + MINUTE_US + 10, 9.0), 4

    row.load([stored], [late, newer], T0_US + MINUTE_US)

    assert figures(row.buckets[T0_US]) == (1.0, 1.0, 1.0, 1.0, 1.0, 1)
    bucket = row.buckets[T0_US + MINUTE_US]
    assert (figures(bucket), bucket.rev) == ((5.0, 9.0, 4.0, 9.0, 8.0, 10), 3)


def test_load_from_before_the_floor_lowers_it() -> None:
    row = row_of(PriceSide.BID)

    row.load([], [(tick(T0_US - MINUTE_US, 1.0), 1)], T0_US - MINUTE_US)

    assert list(row.buckets) == [T0_US - MINUTE_US]


def test_raise_floor_forgets_older_buckets() -> None:
    row = row_of(
        PriceSide.BID, (tick(T0_US, 1.0), 1), (tick(T0_US + MINUTE_US, 2.0), 2)
    )

    row.raise_floor(T0_US + MINUTE_US)

    assert list(row.buckets) == [T0_US + MINUTE_US]
    assert row.add(tick(T0_US, 1.0), 3) is None


class Sequence(NamedTuple):
    """Records in the order of their arrival, the first ``stored`` of them stored."""

    records: list[tuple[Tick | Trade, int]]
    stored: int
    counted: int


PRICE = st.integers(1, 40).map(lambda n: n / 4)
SIZE = st.one_of(st.none(), st.integers(0, 20).map(lambda n: n / 8))
# Few distinct moments, so that many share one; not in order.
MOMENT = st.tuples(st.integers(0, 2_000), st.integers(0, 3)).map(
    lambda pair: T0_US + pair[0] * 61_000_000 + pair[1]
)


@st.composite
def sequences(draw: st.DrawFn) -> Sequence:
    records = []
    for number in range(draw(st.integers(0, 40))):
        time_us, size = draw(MOMENT), draw(SIZE)
        if draw(st.booleans()):
            record = tick(time_us, draw(PRICE), bid_size=size)
        else:
            record = trade(time_us, draw(PRICE), size or 0.0)
        records.append((record, pack(EPOCH, number + 1)))
    stored = draw(st.integers(0, len(records)))
    return Sequence(records, stored, draw(st.integers(stored, len(records))))


def prices(
    records: list[tuple[Tick | Trade, int]], side: PriceSide
) -> list[tuple[int, int, float, float]]:
    """Return (time, seq, price, size) as the database would see them."""
    rows = []
    for record, seq in records:
        if type(record) is not RECORD_TYPES[side]:
            continue
        if side is PriceSide.TRADE:
            price, size = record.price, record.size
        else:
            price = {
                PriceSide.MID: (record.bid + record.ask) / 2,
                PriceSide.BID: record.bid,
                PriceSide.ASK: record.ask,
            }[side]
            size = record.ask_size if side is PriceSide.ASK else record.bid_size
        rows.append((record.time_us, seq, price, math.nan if size is None else size))
    return rows


def stored_buckets(
    rows: list[tuple[int, int, float, float]], timeframe: Timeframe
) -> list[StoredBucket]:
    keys: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for time_us, seq, _, _ in rows:
        keys[timeframe.floor_us(time_us)].append((time_us, seq))
    return [
        StoredBucket(
            start_us,
            *values,
            rev=0,
            first=min(keys[start_us]),
            last=max(keys[start_us]),
        )
        for start_us, values in candles_of(rows, timeframe).items()
    ]


@pytest.mark.parametrize("side", PriceSide)
@pytest.mark.parametrize(
    "timeframe",
    [
        Timeframe.M1,
        Timeframe.M5,
        Timeframe.M15,
        Timeframe.H1,
        Timeframe.H4,
        Timeframe.H12,
        Timeframe.D1,
    ],
)
@given(sequence=sequences())
def test_stored_and_later_records_give_the_candles_of_all(
    side: PriceSide, timeframe: Timeframe, sequence: Sequence
) -> None:
    kind = RECORD_TYPES[side]
    row = BucketRow(timeframe, side, T0_US, kept=10_000)
    # Counted before the store is read, some of them are in it already.
    for record, seq in sequence.records[: sequence.counted]:
        if type(record) is kind:
            row.add(record, seq)

    unstored = sequence.records[sequence.stored : sequence.counted]
    row.load(
        stored_buckets(prices(sequence.records[: sequence.stored], side), timeframe),
        [item for item in unstored if type(item[0]) is kind],
        timeframe.floor_us(T0_US),
    )
    for record, seq in sequence.records[sequence.counted :]:
        if type(record) is kind:
            row.add(record, seq)

    assert_same_candles(
        {start: figures(bucket) for start, bucket in row.buckets.items()},
        candles_of(prices(sequence.records, side), timeframe),
    )
