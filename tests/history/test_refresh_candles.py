"""`manage.py refresh_candles` and its alias."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from marketdata import command_progress
from marketdata.timeframes import PriceSide, Timeframe
from tests.history.storage import (
    DAY_US,
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
    "options",
    [{"symbol": ["gbp/usd"]}, {"broker": "OANDA"}],
    ids=["symbol", "broker"],
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


def spoil(series_id: int) -> None:
    """Make candles wrong that nobody noted: of two days."""
    rows = [(T0_US + DAY_US, 0, 1.0, 2.0, 1.0, 1.0)]
    store(tick_columns(series_id, rows))
    call_command("refresh_candles")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE candles_1m SET open = 9 WHERE series_id = %s", [series_id]
        )


def opens(series_id: int) -> list[float]:
    return [candle[0] for _, candle in sorted(minutes(series_id).items())]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2024-01-02", "2024-01-02", [1.5, 9]),
        ("2024-01-03", "2024-01-04", [9, 1.5]),
        ("2001-01-01", "2099-01-01", [1.5, 1.5]),
        ("2023-01-01", "2024-01-01", [9, 9]),
    ],
)
def test_refresh_candles_of_days_builds_those_anew(
    pair, first: str, last: str, expected: list[float]
) -> None:
    spoil(pair[0])

    call_command("refresh_candles", "--from", first, "--to", last)

    assert opens(pair[0]) == expected


def test_refresh_candles_as_json_prints_one_line(pair, capsys) -> None:
    call_command("refresh_candles", "--json", "-s", "EURUSD", "-s", "gbpusd")

    assert json.loads(capsys.readouterr().out) == {
        "series": 2,
        "ranges": 2,
        "candles_written": 36,
        "candles_deleted": 0,
        "revised": 0,
        "transactions": 1,
        "busy": 0,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-s", "USDJPY"], "none of symbol USDJPY and broker any"),
        (["-s", "EURUSD", "-s", "USDJPY"], "none of symbol USDJPY and broker any"),
        (["--broker", "kraken"], "none of symbol any and broker kraken"),
        (["-s", "EUR USD"], "expected a symbol of 1 to 20 letters"),
        (["--from", "2024-01-02"], "--from and --to together, found only --from"),
        (["--from", "x", "--to", "y"], "expected a day as 2019-02-04, found 'x'"),
        (
            ["--from", "2024-01-02", "--to", "2024-01-01"],
            "expected a last day from 2024-01-02 on, found 2024-01-01",
        ),
        (
            ["--from", "2024-01-02", "--to", "2024-01-02", "--rebuild"],
            "expected --from and --to, or --rebuild, found both",
        ),
        (["--bogus"], "Error: unrecognized arguments: --bogus"),
    ],
)
def test_refresh_candles_with_wrong_usage_fails_with_64(
    pair, arguments: list[str], message: str
) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("refresh_candles", *arguments)

    assert message in str(caught.value)
    assert caught.value.returncode == 64


def test_refresh_candles_without_a_database_fails_with_1(pair, monkeypatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OperationalError("the connection was closed")

    path = "history.management.commands.refresh_candles.refresh_candles"
    monkeypatch.setattr(path, fail)

    with pytest.raises(CommandError, match="database failed: the connect") as caught:
        call_command("refresh_candles")
    assert caught.value.returncode == 1


def test_refresh_candles_tells_how_far_it_is(pair, monkeypatch, capsys) -> None:
    monkeypatch.setattr(command_progress, "LINE_INTERVAL_S", 0)
    store(tick_columns(pair[0], [(T0_US + 3 * DAY_US, 0, 1.0, 2.0, 1.0, 1.0)]))
    call_command("refresh_candles")
    capsys.readouterr()

    call_command("refresh_candles", rebuild=True, symbol=["EURUSD"])

    told = capsys.readouterr().err.splitlines()
    assert told[-1] == "candles: 3 of 3 days, ETA 0 s"
