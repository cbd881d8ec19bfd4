"""COMPAT check 37: every timeframe, side and alignment against brute force, 50 times.

Each fixture lies around a moment at which buckets are easily cut wrong, and has a part
that no refresh has seen yet.
"""

import random
from collections.abc import Iterator
from datetime import datetime

import msgspec
import pytest

from history.alignment import parse_align
from history.candle_range import CandleRange
from history.candle_refresh import refresh_candles
from history.candle_rows import CandleRow
from history.columns import TickColumns, TradeColumns, join_imported
from history.timestamps import to_us
from marketdata.timeframes import PriceSide, Timeframe
from tests.history.brute_force import brute_force
from tests.history.reads import select_candles
from tests.history.storage import (
    DAY_US,
    FAR_US,
    MINUTE_US,
    Candles,
    assert_same_candles,
    make_series,
    priced,
    random_ticks,
    store,
    trade_columns,
)

pytestmark = pytest.mark.django_db

NEW_YORK = parse_align("America/New_York@17:00")
ALIGNS = [
    NEW_YORK,
    parse_align("Europe/London@00:00"),
    parse_align("Asia/Kolkata@09:15"),
    parse_align("Australia/Lord_Howe@17:30"),
]


def moment(text: str) -> int:
    return to_us(datetime.fromisoformat(f"{text}+00:00"))


# name -> a moment in the fixture
MOMENTS = {
    "midnight": moment("2024-05-15T00:00"),
    "month end": moment("2024-02-29T23:59"),
    "year end": moment("2024-12-31T23:59"),
    "New York March": moment("2024-03-10T07:00"),
    "New York November": moment("2024-11-03T06:00"),
    "London March": moment("2024-03-31T01:00"),
    "London October": moment("2024-10-27T01:00"),
    "weekend": moment("2024-07-05T21:00"),
    "week of New York's March": moment("2024-03-08T22:00"),
    "week of New York's November": moment("2024-11-01T21:00"),
}
FIXTURES = [(name, seed) for seed in range(5) for name in MOMENTS]


def cases(chance: random.Random) -> Iterator[CandleRange]:
    """Yield each timeframe on a side of its own, and each alignment of days, weeks."""
    sides = list(PriceSide)
    for timeframe in Timeframe:
        yield CandleRange(timeframe, chance.choice(sides), 0, FAR_US)
        if timeframe in (Timeframe.D1, Timeframe.W1):
            for align in (NEW_YORK, chance.choice(ALIGNS[1:])):
                side = chance.choice(sides)
                yield CandleRange(timeframe, side, 0, FAR_US, align=align)


@pytest.mark.parametrize(("name", "seed"), FIXTURES)
def test_compat_check_37_candles_of_a_random_fixture_equal_brute_force(
    name: str, seed: int
) -> None:
    chance = random.Random(f"{name} {seed}")
    series_id = make_series()
    now_us = MOMENTS[name] + chance.randrange(4) * 20 * MINUTE_US
    tail_us = now_us - chance.randrange(10) * MINUTE_US
    past = ticks_around(series_id, now_us, chance)
    is_new = past.time_us >= tail_us
    trades = trades_of(series_id, past, chance)
    store(rows_of(past, ~is_new))
    store(rows_of(trades, ~is_new))
    refresh_candles(now_us=FAR_US)
    if is_new.any():
        store(rows_of(past, is_new))
        store(rows_of(trades, is_new))

    for wanted in cases(chance):
        columns = trades if wanted.price_side is PriceSide.TRADE else past
        rows = priced(columns, wanted.price_side)
        expected = brute_force(rows, wanted.timeframe, wanted.align)
        check(series_id, wanted, expected, now_us, chance)


def ticks_around(series_id: int, now_us: int, chance: random.Random) -> TickColumns:
    """Return ticks of up to three weeks until now, the last minutes' among them."""
    start_us = now_us - chance.choice([DAY_US, 4 * DAY_US, 21 * DAY_US])
    parts = [
        random_ticks(series_id, start_us, now_us, 400, seed=chance.randrange(99)),
        random_ticks(series_id, now_us - 12 * MINUTE_US, now_us, 60, seed=100),
        # Many in one instant, at the moment itself.
        random_ticks(series_id, now_us - 1000, now_us, 5, seed=1000),
    ]
    return join_imported(parts)


def trades_of(
    series_id: int, ticks: TickColumns, chance: random.Random
) -> TradeColumns:
    rows = [
        (time_us, number, seq, bid, chance.randrange(1, 9) / 4)
        for number, (time_us, seq, bid) in enumerate(
            zip(
                ticks.time_us.tolist(),
                ticks.seq.tolist(),
                ticks.bid.tolist(),
                strict=True,
            )
        )
    ]
    return trade_columns(series_id, rows)


def rows_of(columns, mask):
    fields = {
        name: values if values is None else values[mask]
        for name, values in msgspec.structs.asdict(columns).items()
    }
    return type(columns)(**fields)


def check(
    series_id: int,
    wanted: CandleRange,
    expected: Candles,
    now_us: int,
    chance: random.Random,
) -> None:
    """Read a random part of the range, all of it or the first or last few."""
    starts = sorted(expected)
    first, last = sorted(chance.choices(range(len(starts)), k=2))
    if wanted.timeframe is Timeframe.S1:
        first = next(i for i, start in enumerate(starts) if start > now_us - DAY_US)
        last = len(starts) - 1
    limit = chance.choice([None, 1, 2, 7])
    takes_last = chance.random() < 0.5
    wanted = msgspec.structs.replace(
        wanted,
        start_us=starts[first] - chance.choice([0, 1]),
        end_us=starts[last] + chance.choice([0, 1]),
        limit=limit,
        takes_last=takes_last,
    )
    part = starts[first : last + 1]
    if limit:
        part = part[-limit:] if takes_last else part[:limit]

    rows = select_candles(series_id, wanted, now_us)

    assert [row.time_us for row in rows] == part, wanted
    found = {row.time_us: values_of(row) for row in rows}
    assert_same_candles(found, {start: expected[start] for start in part})


def values_of(row: CandleRow) -> tuple:
    return (row.open, row.high, row.low, row.close, row.volume, row.ticks)
