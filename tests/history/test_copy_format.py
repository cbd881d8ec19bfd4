"""The binary COPY format, byte by byte."""

import struct

import msgspec
import numpy as np

from history.columns import TickColumns
from history.copy_format import BLOCK_ROWS, HEADER, TRAILER, tick_groups, trade_groups
from tests.history.storage import T0_US, tick_columns, trade_columns

NAN = float("nan")
SINCE_2000_US = T0_US - 946_684_800_000_000


def test_tick_groups_of_known_sizes_writes_one_copy_of_all_columns() -> None:
    columns = tick_columns(7, [(T0_US, 3, 1.1, 1.2, 31.21, 5.0)])

    (group,) = tick_groups(columns)

    assert group.table == "ticks"
    assert group.rows == 1
    assert group.names == [
        "series_id", "time", "seq", "bid", "ask", "bid_size", "ask_size",
    ]  # fmt: skip
    assert list(group.blocks()) == [
        HEADER,
        struct.pack(
            ">h ii iq iq id id id id",
            7, 4, 7, 8, SINCE_2000_US, 8, 3, 8, 1.1, 8, 1.2, 8, 31.21, 8, 5.0,
        ),
        TRAILER,
    ]  # fmt: skip


def test_tick_groups_of_mixed_sizes_leaves_unknown_columns_out() -> None:
    sizes = [(NAN, NAN), (1.0, 2.0), (NAN, 2.0), (1.0, NAN), (3.0, 4.0)]
    rows = [(T0_US + i, 0, 1.1, 1.2, *pair) for i, pair in enumerate(sizes)]

    groups = list(tick_groups(tick_columns(7, rows)))

    assert [(group.rows, group.names[5:]) for group in groups] == [
        (1, []),
        (1, ["bid_size"]),
        (1, ["ask_size"]),
        (2, ["bid_size", "ask_size"]),
    ]
    bid_sizes = {name: values.tolist() for name, _, values in groups[3].columns}
    assert bid_sizes["bid_size"] == [1.0, 3.0]


def test_tick_groups_of_live_ticks_writes_when_they_were_received() -> None:
    columns = tick_columns(7, [(T0_US, 3, 1.1, 1.2, 1.0, 1.0)])
    live = msgspec.structs.replace(columns, received_us=columns.time_us + 5)

    (group,) = tick_groups(live)

    values = {name: values.tolist() for name, _, values in group.columns}
    assert values["received"] == [SINCE_2000_US + 5]


def test_tick_groups_without_rows_writes_nothing() -> None:
    empty = TickColumns(
        np.zeros(0, np.int32),
        *(np.zeros(0, np.int64) for _ in range(2)),
        *(np.zeros(0) for _ in range(4)),
    )

    assert list(tick_groups(empty)) == []


def test_blocks_of_many_rows_have_bounded_size_and_keep_order() -> None:
    rows = BLOCK_ROWS + 1
    columns = tick_columns(7, [(T0_US + i, 0, 1.0, 2.0, 1.0, 1.0) for i in range(rows)])

    (group,) = tick_groups(columns)
    header, first, second, trailer = group.blocks()

    row_bytes = len(first) // BLOCK_ROWS
    assert len(first) == row_bytes * BLOCK_ROWS
    assert len(second) == row_bytes
    assert second[14:22] == struct.pack(">q", SINCE_2000_US + BLOCK_ROWS)
    assert (header, trailer) == (HEADER, TRAILER)


def test_trade_groups_of_unknown_side_leaves_it_out() -> None:
    columns = trade_columns(7, [(T0_US, 1, 1, 2.0, 0.5), (T0_US, 2, 2, 2.0, 0.5)])
    mixed = msgspec.structs.replace(columns, side=np.array([0, -1], np.int16))

    unknown, known = trade_groups(mixed)

    assert unknown.names == ["series_id", "time", "trade_id", "seq", "price", "size"]
    assert known.names == [*unknown.names, "side"]
    assert known.rows == 1
