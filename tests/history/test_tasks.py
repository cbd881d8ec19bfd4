"""The history's Celery tasks."""

import pytest

from history.models import ChangedRange
from history.tasks import TIME_LIMIT_S, refresh_candles
from marketdata.timeframes import PriceSide, Timeframe
from tests.history.storage import (
    T0_US,
    make_series,
    store,
    stored_candles,
    tick_columns,
)

pytestmark = pytest.mark.django_db


def test_refresh_candles_task_does_what_is_due_and_can_run_again() -> None:
    one, other = make_series("EURUSD"), make_series("GBPUSD")
    for series_id in (one, other):
        store(tick_columns(series_id, [(T0_US, 0, 1.0, 2.0, 1.0, 1.0)]))

    refresh_candles([one])
    left = ChangedRange.objects.count()
    refresh_candles()
    refresh_candles()

    assert left == 1
    for series_id in (one, other):
        assert stored_candles(series_id, Timeframe.H12, PriceSide.MID) == {
            T0_US: (1.5, 1.5, 1.5, 1.5, 1.0, 1)
        }


def test_refresh_candles_task_has_its_name_and_limits() -> None:
    assert refresh_candles.name == "history.refresh_candles"
    assert refresh_candles.soft_time_limit == TIME_LIMIT_S < refresh_candles.time_limit
