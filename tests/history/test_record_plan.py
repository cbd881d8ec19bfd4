"""Pages of ticks and trades."""

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from history.record_cursor import Position
from history.record_plan import RecordRange, plan_ticks, plan_trades
from history.timestamps import to_datetime
from tests.history.plans import explain, rows_of_key
from tests.history.reads import select_ticks, select_trades
from tests.history.storage import (
    DAY_US,
    SECOND_US,
    T0_US,
    make_series,
    store,
    tick_columns,
    trade_columns,
)

pytestmark = pytest.mark.django_db

NAN = float("nan")


def test_select_ticks_returns_rows_of_both_ends_ascending() -> None:
    series_id = make_series()
    rows = [
        (T0_US + second * SECOND_US, seq, 1.0 + second, 2.0 + seq, size, 0.5)
        for second, seq, size in ((3, 0, 1.0), (1, 1, NAN), (1, 0, 2.0), (0, 5, 1.0))
    ]
    store(tick_columns(series_id, rows))
    wanted = RecordRange(T0_US + SECOND_US, T0_US + 3 * SECOND_US, 10)

    found = select_ticks(series_id, wanted)

    second_us = T0_US + SECOND_US
    assert found == [
        (second_us, 0, 2.0, 2.0, 2.0, 0.5),
        (second_us, 1, 2.0, 3.0, pytest.approx(NAN, nan_ok=True), 0.5),
        (T0_US + 3 * SECOND_US, 0, 4.0, 2.0, 1.0, 0.5),
    ]


def test_select_trades_orders_an_instant_by_seq() -> None:
    series_id = make_series()
    store(trade_columns(series_id, [(T0_US, 9, 1, 5.0, 0.5), (T0_US, 7, 2, 4.0, 0.25)]))

    found = select_trades(series_id, RecordRange(T0_US, T0_US, 10))

    assert found == [
        (T0_US, 1, 9, 5.0, 0.5, 1),
        (T0_US, 2, 7, 4.0, 0.25, 1),
    ]


def test_select_ticks_of_other_series_are_not_seen() -> None:
    one, other = make_series("EURUSD"), make_series("GBPUSD")
    store(tick_columns(other, [(T0_US, 0, 1.0, 2.0, 1.0, 1.0)]))

    assert select_ticks(one, RecordRange(0, 2 * T0_US, 10)) == []


def test_page_after_a_position_begins_with_the_next_record_of_the_instant() -> None:
    series_id = make_series()
    store(tick_columns(series_id, [(T0_US, n, 1.0, 2.0, 1.0, 1.0) for n in range(3)]))

    found = select_ticks(
        series_id, RecordRange(T0_US, T0_US, 2, after=Position(T0_US, 1))
    )

    assert [row.seq for row in found] == [2]


def test_position_before_the_range_changes_nothing() -> None:
    series_id = make_series()
    store(tick_columns(series_id, [(T0_US, 0, 1.0, 2.0, 1.0, 1.0)]))

    wanted = RecordRange(T0_US, T0_US, 2, after=Position(T0_US - 1, 9))

    assert len(select_ticks(series_id, wanted)) == 1


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    instants=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=20),
    start=st.integers(0, 5),
    end=st.integers(0, 5),
    page_rows=st.integers(1, 7),
)
def test_walk_over_any_rows_in_any_pages_gives_each_once(
    instants: list[tuple[int, int]], start: int, end: int, page_rows: int
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ticks")
        cursor.execute("DELETE FROM trades")
    series_id = make_series()
    keys = sorted({(T0_US + second * SECOND_US, seq) for second, seq in instants})
    if keys:
        store(tick_columns(series_id, [(*key, 1.0, 2.0, 1.0, 1.0) for key in keys]))
        trades = [(time_us, -seq, seq, 1.0, 2.0) for time_us, seq in keys]
        store(trade_columns(series_id, trades))
    start_us, end_us = (T0_US + second * SECOND_US for second in (start, end))

    for select in (select_ticks, select_trades):
        found, wanted = [], RecordRange(start_us, end_us, page_rows)
        while page := [(row.time_us, row.seq) for row in select(series_id, wanted)]:
            assert len(page) <= page_rows
            found += page
            wanted = RecordRange(start_us, end_us, page_rows, Position(*page[-1]))

        assert found == [key for key in keys if start_us <= key[0] <= end_us]


@pytest.mark.parametrize(
    ("plan", "table"), [(plan_ticks, "ticks"), (plan_trades, "trades")]
)
def test_page_in_the_middle_reads_its_rows_of_the_key(plan, table: str) -> None:
    series_id = make_series()
    with connection.cursor() as cursor:
        values = {
            "ticks": "i, 1, 2, NULL, NULL, NULL",
            "trades": "i, i, 1, 2, NULL, NULL",
        }
        cursor.execute(
            f"""
            INSERT INTO {table}
            SELECT %s, %s + i * INTERVAL '3 minutes', {values[table]}
            FROM generate_series(1, 30000) AS i
            """,
            [series_id, to_datetime(T0_US)],
        )
        cursor.execute(f"ANALYZE {table}")
    middle = Position(T0_US + 35 * DAY_US, 16_800)
    statement = plan(series_id, RecordRange(0, 2 * T0_US, 100, middle))

    assert rows_of_key(explain(statement), table) <= 110
