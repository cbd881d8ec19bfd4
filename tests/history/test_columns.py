"""Columns: ordinals, checksums, and live records as arrays."""

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from history.columns import (
    assign_ordinals,
    checksum,
    join_imported,
    rows_of,
    tick_columns_of,
    trade_columns_of,
)
from marketdata.records import Side, Tick, Trade
from tests.history.storage import T0_US, tick_columns

ROWS = [(T0_US, 0, 1.1, 1.2, 31.21, 5.0), (T0_US + 1, 0, 1.3, 1.4, 1.0, 2.0)]


def test_assign_ordinals_counts_within_each_instant() -> None:
    time_us = np.array([10, 10, 11, 12, 12, 12], np.int64)

    assert assign_ordinals(time_us).tolist() == [0, 1, 0, 0, 1, 2]


def test_assign_ordinals_without_rows_returns_none() -> None:
    assert assign_ordinals(np.array([], np.int64)).tolist() == []


@given(st.lists(st.integers(0, 5)))
def test_assign_ordinals_in_any_order_counts_earlier_rows_of_the_instant(
    times: list[int],
) -> None:
    ordinals = assign_ordinals(np.array(times, np.int64)).tolist()

    assert ordinals == [times[:i].count(time) for i, time in enumerate(times)]


def test_checksum_ignores_series_and_seq() -> None:
    other = [(time, seq + 7, *values) for time, seq, *values in ROWS]

    assert checksum(tick_columns(1, ROWS)) == checksum(tick_columns(2, other))
    assert checksum(tick_columns(1, ROWS)) == "f8a894710b345f4d6cb64438599e017b"


def test_checksum_of_any_other_value_differs() -> None:
    columns = tick_columns(1, ROWS)
    changed = [
        msgspec.structs.replace(columns, **{name: getattr(columns, name)[::-1]})
        for name in ("time_us", "bid", "ask", "bid_size", "ask_size")
    ]

    assert len({checksum(item) for item in [columns, *changed]}) == 6


def test_tick_columns_of_unknown_sizes_gives_nan() -> None:
    tick = Tick(
        broker="oanda", symbol="EURUSD", time_us=5, received_us=7, bid=1.1, ask=1.2
    )

    columns = tick_columns_of([(3, 9, tick)])

    assert columns.series_id.tolist() == [3]
    assert columns.series_id.dtype == np.int32
    assert (columns.time_us.tolist(), columns.seq.tolist()) == ([5], [9])
    assert (columns.bid.tolist(), columns.ask.tolist()) == ([1.1], [1.2])
    assert np.isnan(columns.bid_size).tolist() == [True]
    assert np.isnan(columns.ask_size).tolist() == [True]
    assert columns.received_us.tolist() == [7]


def test_trade_columns_of_trades_without_id_uses_their_seq() -> None:
    def trade(trade_id: int | None, side: Side | None) -> Trade:
        return Trade(
            broker="b",
            symbol="X",
            time_us=5,
            received_us=7,
            price=2.0,
            size=0.5,
            side=side,
            trade_id=trade_id,
        )

    columns = trade_columns_of(
        [
            (3, 9, trade(77, Side.BUY)),
            (3, 10, trade(None, Side.SELL)),
            (3, 11, trade(0, None)),
        ]
    )

    assert columns.trade_id.tolist() == [77, 10, 0]
    assert columns.seq.tolist() == [9, 10, 11]
    assert columns.side.tolist() == [1, -1, 0]


def test_join_imported_puts_back_what_rows_of_took_apart() -> None:
    whole = tick_columns(5, [(T0_US + n, n, 1.0, 2.0, n, 4.0) for n in range(7)])

    parts = [rows_of(whole, slice(start, end)) for start, end in ((0, 3), (3, 7))]

    assert [len(part) for part in parts] == [3, 4]
    assert checksum(join_imported(parts)) == checksum(whole)
    assert join_imported(parts).seq.tolist() == whole.seq.tolist()


def test_rows_of_a_mask_keeps_receive_times() -> None:
    tick = Tick(
        symbol="EURUSD", broker="b", time_us=T0_US, received_us=T0_US, bid=1.0, ask=2.0
    )
    live = tick_columns_of([(5, 1, tick), (6, 2, tick), (5, 3, tick)])

    chosen = rows_of(live, live.series_id == 5)

    assert chosen.seq.tolist() == [1, 3]
    assert chosen.received_us.tolist() == [T0_US, T0_US]
