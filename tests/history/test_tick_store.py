"""Ticks and trades in their hypertables."""

import msgspec
import numpy as np
import psycopg
import pytest
from django.db import connection, transaction

from history.tick_store import (
    FIRST_LIVE_SEQ,
    copy_ticks,
    copy_trades,
    delete_imported_ticks,
    insert_ticks,
    insert_trades,
)
from history.timestamps import to_datetime, to_us
from tests.history.storage import T0_US, make_series, tick_columns, trade_columns

pytestmark = pytest.mark.django_db

NAN = float("nan")
LIVE = FIRST_LIVE_SEQ + 1
ROWS = [
    (T0_US + 123_456, 0, 1.14544, 1.14545, 31.21, 0.1),
    (T0_US + 123_456, 1, 1.1, 1.3, NAN, NAN),
    (T0_US + 200_000, LIVE, 1.2, 1.4, 2.0, NAN),
]


def stored(table: str = "ticks") -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY series_id, time, seq")
        return [(row[0], to_us(row[1]), *row[2:]) for row in cursor.fetchall()]


def test_copy_ticks_stores_every_digit_and_unknown_sizes_as_null() -> None:
    columns = tick_columns(5, ROWS)

    rows = copy_ticks(connection.connection, columns)

    assert rows == 3
    assert stored() == [
        (5, T0_US + 123_456, 0, 1.14544, 1.14545, 31.21, 0.1, None),
        (5, T0_US + 123_456, 1, 1.1, 1.3, None, None, None),
        (5, T0_US + 200_000, LIVE, 1.2, 1.4, 2.0, None, None),
    ]


def test_copy_ticks_stores_when_live_ticks_were_received() -> None:
    columns = tick_columns(5, ROWS[:1])
    live = msgspec.structs.replace(columns, received_us=columns.time_us + 7)

    copy_ticks(connection.connection, live)

    assert stored()[0][-1] == to_datetime(T0_US + 123_463)


def test_copy_ticks_of_a_stored_key_raises_and_stores_none() -> None:
    columns = tick_columns(5, ROWS)
    copy_ticks(connection.connection, tick_columns(5, ROWS[2:]))

    with pytest.raises(psycopg.errors.UniqueViolation), transaction.atomic():
        copy_ticks(connection.connection, columns)

    assert len(stored()) == 1


def test_insert_ticks_adds_only_new_ones_and_counts_them() -> None:
    copy_ticks(connection.connection, tick_columns(5, ROWS[1:]))

    added = insert_ticks(connection.connection, tick_columns(5, ROWS))
    again = insert_ticks(connection.connection, tick_columns(5, ROWS))

    assert (added, again) == (1, 0)
    assert len(stored()) == 3


def test_delete_imported_ticks_keeps_live_ones_and_other_times() -> None:
    other = [(T0_US + 300_000, 0, 1.0, 2.0, 1.0, 1.0)]
    copy_ticks(connection.connection, tick_columns(5, ROWS + other))
    copy_ticks(connection.connection, tick_columns(6, ROWS))

    deleted = delete_imported_ticks(connection.connection, 5, T0_US, T0_US + 300_000)

    assert deleted == 2
    assert [(row[0], row[2]) for row in stored()] == [
        (5, LIVE), (5, 0), (6, 0), (6, 1), (6, LIVE),
    ]  # fmt: skip


def test_copy_trades_stores_sides_and_unknown_ones_as_null() -> None:
    columns = trade_columns(5, [(T0_US, i, i, 2.0, 0.5) for i in range(3)])
    sided = msgspec.structs.replace(columns, side=np.array([1, 0, -1], np.int16))

    rows = copy_trades(connection.connection, sided)
    added = insert_trades(connection.connection, sided)

    assert (rows, added) == (3, 0)
    assert stored("trades") == [
        (5, T0_US, 0, 0, 2.0, 0.5, 1, None),
        (5, T0_US, 1, 1, 2.0, 0.5, None, None),
        (5, T0_US, 2, 2, 2.0, 0.5, -1, None),
    ]


def test_trades_of_one_instant_with_other_ids_are_all_kept() -> None:
    make_series()
    copy_trades(connection.connection, trade_columns(5, [(T0_US, 8, 1, 2.0, 0.5)]))

    added = insert_trades(
        connection.connection,
        trade_columns(5, [(T0_US, 8, 1, 2.0, 0.5), (T0_US, 9, 2, 2.0, 0.5)]),
    )

    assert added == 1
