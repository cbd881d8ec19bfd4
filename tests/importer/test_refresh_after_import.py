"""COMPAT check 46: candles follow an import by themselves, refreshes coalesce."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from history import tasks
from history.candle_refresh import refresh_candles
from history.models import ChangedRange
from marketdata.timeframes import STORED, PriceSide, Timeframe
from tests.history.storage import assert_candles_match, stored_candles, versions
from tests.importer.bi5_files import DAY, DAY_US
from tests.importer.imports import now_us, run, series_of, stored_ticks

pytestmark = pytest.mark.usefixtures("committed_instruments")


def test_compat_check_46_import_shows_its_speed_and_serves_candles_at_once(
    manage, folder, rest
):
    code, _, err = manage(
        "--from", DAY, "--to", DAY, f"--source=bi5-dir:{folder}"
    ).result()

    answer = rest.get(
        "/api/candles",
        {
            "symbol": "EURUSD",
            "timeframe": "1h",
            "from": DAY_US // 1_000_000,
            "to": DAY_US // 1_000_000 + 86_399,
        },
    )

    assert code == 0, err
    assert re.search(r"24/24 hours .*136,741 ticks, [\d,]+ ticks/s, ETA 0 s", err)
    assert (answer.status_code, len(answer.json())) == (200, 24)
    assert_candles_match(series_of().pk, [stored_ticks(series_of().pk)])


def test_compat_check_46_refreshes_coalesce_and_change_nothing_the_second_time(folder):
    run(folder, f"{DAY}T00", f"{DAY}T05", has_refresh=False)
    series_id = series_of().pk
    notes = ChangedRange.objects.count()

    def refresh(_):
        try:
            return refresh_candles([series_id], now_us=now_us())
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(refresh, range(4)))
    before = [versions(timeframe) for timeframe in STORED]
    again = refresh(None)
    tasks.refresh_candles([series_id])

    assert notes > 0
    assert sorted(item.transactions for item in reports) == [0, 0, 0, 1]
    assert (again.ranges, again.candles_written) == (0, 0)
    assert [versions(timeframe) for timeframe in STORED] == before
    assert len(stored_candles(series_id, Timeframe.H1, PriceSide.MID)) == 6
