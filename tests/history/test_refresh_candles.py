"""`manage.py refresh_candles` and its alias."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from marketdata.timeframes import PriceSide, Timeframe
from tests.history.storage import (
    T0_US,
    make_series,
    store,
    stored_candles,
    tick_columns,
)

pytestmark = pytest.mark.django_db

CANDLE = {T0_US: (1.5, 1.5, 1.5, 1.5, 1.0, 1)}


@pytest.fixture
def pair() -> tuple[int, int]:
    """Ids of EURUSD of dukascopy and GBPUSD of oanda, one unrefreshed tick each."""
    ids = make_series("EURUSD", "dukascopy"), make_series("GBPUSD", "oanda")
    for series_id in ids:
        store(tick_columns(series_id, [(T0_US, 0, 1.0, 2.0, 1.0, 1.0)]))
    return ids


def minutes(series_id: int) -> dict:
    return stored_candles(series_id, Timeframe.M1, PriceSide.MID)


@pytest.mark.parametrize("name", ["refresh_candles", "refresh_mvs"])
def test_refresh_candles_refreshes_all_series(pair, name: str, capsys) -> None:
    call_command(name)

    assert minutes(pair[0]) == minutes(pair[1]) == CANDLE
    assert capsys.readouterr().out == (
        "2 ranges of 2 series: 36 candles written, 0 deleted\n"
    )


@pytest.mark.parametrize(
    "options", [{"symbol": "gbp/usd"}, {"broker": "OANDA"}], ids=["symbol", "broker"]
)
def test_refresh_candles_of_one_series_leaves_others(pair, options: dict) -> None:
    call_command("refresh_candles", **options)

    assert (minutes(pair[0]), minutes(pair[1])) == ({}, CANDLE)


def test_refresh_candles_rebuild_repairs_candles_that_nobody_noted(pair) -> None:
    call_command("refresh_candles")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE candles_1m SET open = 9 WHERE series_id = %s", [pair[0]])

    call_command("refresh_candles")
    unchanged = minutes(pair[0])[T0_US][0]
    call_command("refresh_candles", rebuild=True)

    assert unchanged == 9
    assert minutes(pair[0]) == CANDLE


def test_refresh_candles_of_what_is_not_stored_fails(pair) -> None:
    with pytest.raises(
        CommandError,
        match="nothing is stored for symbol 'USDJPY' and broker 'any'",
    ):
        call_command("refresh_candles", symbol="USDJPY")
    with pytest.raises(CommandError, match="expected a symbol of 1 to 20 letters"):
        call_command("refresh_candles", symbol="EUR USD")
