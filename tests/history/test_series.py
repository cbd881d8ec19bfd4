"""Series and their statistics."""

import pytest
from django.db import connection

from history.models import Series
from history.series import (
    Change,
    apply_changes,
    get_or_create_series,
)
from history.tick_store import copy_ticks, delete_imported_ticks
from history.timestamps import to_us
from marketdata.exceptions import UnknownBroker, UnknownSymbol
from marketdata.models import Broker
from tests.history.storage import (
    SECOND_US,
    T0_US,
    make_series,
    store,
    tick_columns,
    update_statistics,
)

pytestmark = pytest.mark.django_db


def figures(series_id: int) -> tuple:
    """(earliest, latest in seconds after T0, ticks, trades, revision)."""
    row = Series.objects.get(pk=series_id)
    bounds = [
        None if time is None else (to_us(time) - T0_US) // SECOND_US
        for time in (row.earliest, row.latest)
    ]
    return (*bounds, row.tick_count, row.trade_count, row.revision)


def add(series_id: int, first_s: int, last_s: int, **added: int) -> None:
    with connection.cursor() as cursor:
        update_statistics(
            cursor,
            series_id,
            first_us=T0_US + first_s * SECOND_US,
            last_us=T0_US + last_s * SECOND_US,
            **added,
        )


def tick_at(second: float) -> tuple:
    return (T0_US + int(second * SECOND_US), 0, 1.1, 1.2, 1.0, 1.0)


def test_get_or_create_series_returns_the_same_series() -> None:
    series_id = make_series("EURUSD", "oanda")

    series = get_or_create_series("EURUSD", "oanda")

    assert series.pk == series_id
    assert series.instrument.symbol == "EURUSD"
    assert figures(series_id) == (None, None, 0, 0, 0)


def test_get_or_create_series_of_unknown_names_raises() -> None:
    make_series("EURUSD", "oanda")
    Broker.objects.create(name="binance", title="Binance")

    with pytest.raises(UnknownSymbol, match="no instrument has the symbol 'GBPUSD'"):
        get_or_create_series("GBPUSD", "oanda")
    with pytest.raises(UnknownBroker, match="expected one of binance, oanda, found"):
        get_or_create_series("EURUSD", "kraken")


def test_update_statistics_after_the_latest_keeps_the_revision() -> None:
    series_id = make_series()

    add(series_id, 10, 20, ticks_added=5)
    add(series_id, 21, 30, ticks_added=2, trades_added=1)

    assert figures(series_id) == (10, 30, 7, 1, 0)


@pytest.mark.parametrize(
    ("first_s", "last_s", "revision"),
    [(200, 300, 0), (140, 300, 0), (139, 300, 1), (100, 110, 1), (1, 2, 1)],
)
def test_update_statistics_over_a_minute_late_raises_the_revision(
    first_s: int, last_s: int, revision: int
) -> None:
    series_id = make_series()
    add(series_id, 100, 200, ticks_added=5)

    add(series_id, first_s, last_s, ticks_added=1)

    assert figures(series_id) == (
        min(first_s, 100),
        max(last_s, 200),
        6,
        0,
        revision,
    )


def test_update_statistics_after_a_deletion_moves_bounds_to_what_is_left() -> None:
    series_id = make_series()
    store(tick_columns(series_id, [tick_at(s) for s in (1, 2, 3, 4)]))

    delete_imported_ticks(connection.connection, series_id, 0, T0_US + 2 * SECOND_US)
    delete_imported_ticks(
        connection.connection, series_id, T0_US + 4 * SECOND_US, T0_US + 5 * SECOND_US
    )
    with connection.cursor() as cursor:
        update_statistics(cursor, series_id, ticks_added=-2, changes_past=True)

    assert figures(series_id) == (2, 3, 2, 0, 1)


def test_update_statistics_after_everything_was_deleted_has_no_bounds() -> None:
    series_id = make_series()
    store(tick_columns(series_id, [tick_at(1)]))

    delete_imported_ticks(connection.connection, series_id, 0, 2 * T0_US)
    with connection.cursor() as cursor:
        update_statistics(cursor, series_id, ticks_added=-1, changes_past=True)

    assert figures(series_id) == (None, None, 0, 0, 1)


def test_update_statistics_after_a_replacement_keeps_bounds_that_are_stored() -> None:
    series_id = make_series()
    store(tick_columns(series_id, [tick_at(s) for s in (1, 2, 3)]))

    delete_imported_ticks(
        connection.connection, series_id, T0_US + 2 * SECOND_US, T0_US + 3 * SECOND_US
    )
    copy_ticks(connection.connection, tick_columns(series_id, [tick_at(2.5)]))
    with connection.cursor() as cursor:
        update_statistics(cursor, series_id, changes_past=True)

    assert figures(series_id) == (1, 3, 3, 0, 1)


def test_apply_changes_updates_several_series() -> None:
    one, other = make_series("EURUSD"), make_series("GBPUSD")
    changes = [
        Change(series_id=other, ticks_added=2, first_us=T0_US, last_us=T0_US),
        Change(series_id=one, trades_added=3, first_us=T0_US, last_us=T0_US),
    ]

    with connection.cursor() as cursor:
        apply_changes(cursor, changes)
        apply_changes(cursor, [])

    assert figures(one) == (0, 0, 0, 3, 0)
    assert figures(other) == (0, 0, 2, 0, 0)
