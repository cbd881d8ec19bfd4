import subprocess
import sys

import pytest
from django.core.management import (
    CommandError,
    call_command,
    get_commands,
    load_command_class,
)
from django.db import OperationalError, connection

from tests.marketdata.server_process import ROOT

APPS = ("brokers", "config", "history", "importer", "marketdata")
COMMANDS = sorted((app, name) for name, app in get_commands().items() if app in APPS)
REQUIRED = {
    "create_api_key": ("desk", "--plan", "pro"),
    "issue_token": ("desk", "--plan", "pro"),
    "run_feed": ["simulated"],
}


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--port", "x"],
        ["run_feed"],
        ["run_feeds", "--x"],
        ["load_instruments", "--x"],
        ["refresh_candles", "--bogus"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_64(arguments):
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert done.returncode == 64
    assert done.stdout == ""
    assert done.stderr.startswith("usage: manage.py " + arguments[0])
    assert f"manage.py {arguments[0]}: error: " in done.stderr


@pytest.mark.parametrize(("app", "name"), COMMANDS)
def test_wrong_usage_of_any_command_from_code_raises(app, name):
    with pytest.raises(CommandError, match="unrecognized arguments: --x") as raised:
        call_command(load_command_class(app, name), "--x", *REQUIRED.get(name, ()))

    assert raised.value.returncode == 64


@pytest.mark.parametrize(
    "arguments",
    [
        ["drop_indexes"],
        ["recreate_indexes"],
        ["refresh_candles"],
        ["check_ticks"],
        ["repair_ticks", "EURUSD"],
        ["import_ticks"],
        ["sync_instruments"],
    ],
    ids=" ".join,
)
def test_a_command_whose_database_is_away_exits_1_and_says_so(
    arguments, monkeypatch, tmp_path, settings
):
    settings.DUKASCOPY_SOURCE = f"bi5-dir:{tmp_path}"

    def away(*arguments):
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "ensure_connection", away)
    with pytest.raises(
        CommandError, match=r"^the database failed: connection refused"
    ) as raised:
        call_command(*arguments)

    assert raised.value.returncode == 1


@pytest.mark.django_db
def test_a_command_of_an_unknown_index_says_which_there_are(settings):
    settings.TICK_INDEXES = ["hash"]

    with pytest.raises(CommandError, match=r"^expected TICK_INDEXES of time, brin"):
        call_command("drop_indexes")
