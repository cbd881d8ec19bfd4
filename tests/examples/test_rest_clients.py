"""The clients of docs/rest-clients.md, as programs of their own, against our server."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from tests.examples.test_clients import ROOT, command
from tests.history.factories import T0, fixture_quotes, store_quotes
from tests.marketdata.server_process import running_server, test_database_url

pytestmark = pytest.mark.django_db

PAGE = (ROOT / "docs" / "rest-clients.md").read_text()
TICKS = 6000  # one each 7 s, so 6,000 candles of 1s are two pages
both = pytest.mark.parametrize("name", ["candles.py", "candles.mjs"])


@pytest.fixture(scope="module")
def server(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """The address of a server with check 27's ticks of EURUSD, but more of them."""
    with django_db_blocker.unblock():
        assert connection.settings_dict["NAME"].startswith("test_")
        store_quotes(fixture_quotes(TICKS))
        try:
            with running_server(
                "examples", DATABASE_URL=test_database_url()
            ) as process:
                yield f"http://{process.host}"
        finally:
            call_command("flush", interactive=False, verbosity=0)


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command(name), *arguments], capture_output=True, text=True, timeout=60
    )


def candles_of(width_s: int) -> list[dict[str, float]]:
    """What the ticks make, mid prices in buckets of so many seconds."""
    buckets: dict[int, list[float]] = {}
    for time, bid, ask in fixture_quotes(TICKS):
        start = int(time) // width_s * width_s
        buckets.setdefault(start, []).append(round((bid + ask) / 2, 6))
    return [
        {
            "time": start,
            "open": mids[0],
            "high": max(mids),
            "low": min(mids),
            "close": mids[-1],
        }
        for start, mids in buckets.items()
    ]


@pytest.mark.parametrize(
    ("name", "language"),
    [("candles.py", "python"), ("candles.mjs", "js"), ("candles_pandas.py", "python")],
)
def test_page_shows_the_examples_as_they_are(name: str, language: str) -> None:
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)

    assert (ROOT / "examples" / name).read_text() in blocks


@both
@pytest.mark.parametrize(
    ("timeframe", "days", "width_s"), [("1h", "7", 3600), ("1s", "1", 1)]
)
def test_compat_check_55_documented_clients_read_metadata_then_candles(
    name: str, timeframe: str, days: str, width_s: int, server: str
) -> None:
    result = run(name, server, "EURUSD", timeframe, days)

    assert result.stderr == ""
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows == candles_of(width_s)


@both
def test_compat_check_55_documented_clients_name_what_is_not_there(
    name: str, server: str
) -> None:
    result = run(name, server, "XXXYYY", "1h", "7")

    assert result.returncode == 1
    assert "SYMBOL_NOT_FOUND: " in result.stderr


def test_pandas_example_has_the_candles_in_a_frame(server: str) -> None:
    result = run("candles_pandas.py", server, "EURUSD", "1h", str(T0), str(T0 + 86400))

    assert result.stderr == ""
    rows = [line.split() for line in result.stdout.splitlines()[2:]]
    want = candles_of(3600)
    assert [row[:2] for row in rows[:2]] == [
        ["2024-01-02", "00:00:00+00:00"],
        ["2024-01-02", "01:00:00+00:00"],
    ]
    assert [float(row[5]) for row in rows] == [candle["close"] for candle in want]
    assert sum(int(row[6]) for row in rows) == TICKS
    mean = sum(candle["close"] for candle in want[:5]) / 5
    assert [row[8] for row in rows[:4]] == ["NaN"] * 4
    assert float(rows[4][8]) == pytest.approx(mean, abs=1e-6)
