"""What all commands have in common: help, examples, exit codes, JSON, Ctrl-C."""

import json
import os
import re
import shlex
import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import (
    CommandError,
    call_command,
    get_commands,
    load_command_class,
)
from django.db import OperationalError, ProgrammingError, connection
from psycopg.errors import UndefinedTable

from tests.marketdata.server_process import ROOT

APPS = ("brokers", "config", "history", "importer", "marketdata")
COMMANDS = sorted((app, name) for name, app in get_commands().items() if app in APPS)
REQUIRED = {
    "create_api_key": ("desk", "--plan", "anonymous"),
    "issue_token": ("desk", "--plan", "anonymous"),
    "run_feed": ["simulated"],
}
# They run until they are stopped; their log can be JSON.
ENDLESS = {"run_feed", "run_feeds", "serve"}
# `test_doctor` looks at its JSON.
ELSEWHERE = {"doctor"}
# What each prints with --json, at least, in a database with the bundled instruments.
RESULTS = {
    "check_ticks": {"series": [], "indexes": []},
    "create_api_key": {"name": "desk", "plan": "anonymous", "expires": None},
    "drop_indexes": {"dropped": []},
    "ensure_admin": {"username": "admin", "is_new": True, "has_admin_password": True},
    "import_ticks": {"symbols": ["EURUSD"], "ticks": 0, "hole_hours": 0},
    "issue_token": {"sub": "desk", "plan": "anonymous"},
    "load_instruments": {"added": 0},
    "recreate_indexes": {"made": []},
    "refresh_candles": {"series": 0, "ranges": 0},
    "refresh_mvs": {"series": 0, "ranges": 0},
    "repair_ticks": {"ticks": 0, "holes": []},
    "rotate_broker_keys": {"rotated": 0, "unreadable": []},
    "sync_instruments": {"updated": 0, "added": 0, "scales": []},
}


def examples_of(epilog):
    """Return the arguments of each example, in the help's order."""
    text = epilog.partition("\nexamples:\n")[2].partition("\n\n")[0]
    lines = text.replace("\\\n", " ").splitlines()
    return [
        shlex.split(line.partition("manage.py ")[2])
        for line in lines
        if "manage.py " in line
    ]


@pytest.mark.parametrize(("app", "name"), COMMANDS)
def test_help_of_any_command_has_a_sentence_exit_codes_and_examples(app, name):
    command = load_command_class(app, name)
    parser = command.create_parser("manage.py", name)

    examples = examples_of(parser.epilog)

    assert re.fullmatch(r"[A-Z].*[.]", command.help, re.DOTALL)
    assert re.search(r"\bExit\s+codes:\s0\s.*\s64\s.*\s130\s", parser.epilog, re.DOTALL)
    assert parser.epilog in parser.format_help()
    assert examples
    for called, *arguments in examples:
        assert called in (name, "refresh_candles")
        parser.parse_args(arguments)


@pytest.mark.parametrize(("app", "name"), COMMANDS)
def test_every_command_that_ends_has_json(app, name):
    parser = load_command_class(app, name).create_parser("manage.py", name)

    assert ("--json" in parser.format_usage()) == (name not in ENDLESS)
    assert (name in RESULTS) == (name not in ENDLESS | ELSEWHERE)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", RESULTS)
def test_json_is_one_value_on_a_line(name, settings, tmp_path):
    settings.ADMIN_PASSWORD = "correct horse"
    settings.JWT_SECRET = "s" * 32
    settings.DUKASCOPY_SOURCE = f"bi5-dir:{tmp_path}"
    call_command("load_instruments", stdout=StringIO())
    # Closed all day: nothing is missing.
    day = ["--from=2019-02-02", "--to=2019-02-02"] if name == "import_ticks" else ()

    out = StringIO()
    call_command(
        *(name, *REQUIRED.get(name, ()), *day, "--json"), stdout=out, stderr=StringIO()
    )

    text = out.getvalue()
    assert text.count("\n") == 1
    assert json.loads(text).items() >= RESULTS[name].items()
    assert "correct horse" not in text


@pytest.mark.parametrize(("app", "name"), COMMANDS)
def test_ctrl_c_ends_any_command_with_130_and_what_became_of_the_work(
    app, name, monkeypatch
):
    command = load_command_class(app, name)

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "handle", interrupted)
    with pytest.raises(CommandError, match=r"^stopped; [a-z ,_;]+$") as raised:
        call_command(command, *REQUIRED.get(name, ()))

    assert raised.value.returncode == 130


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--port", "65536"],
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
        ["load_instruments"],
        ["ensure_admin"],
        ["create_api_key", "desk", "--plan", "pro"],
        ["issue_token", "desk", "--plan", "pro"],
        ["rotate_broker_keys"],
    ],
    ids=" ".join,
)
def test_a_command_whose_database_is_away_exits_1_and_says_so(
    arguments, monkeypatch, tmp_path, settings
):
    settings.DUKASCOPY_SOURCE = f"bi5-dir:{tmp_path}"
    settings.ADMIN_PASSWORD = "correct horse"
    settings.JWT_SECRET = "s" * 32

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


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"PORT": "80a"}, "expected a number in PORT, found '80a'"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL: expected DEBUG or INFO or WARNING or ERRO"),
        (
            {"DATABASE_URL": "mysql://u:secret@host/d"},
            "expected postgres://... in DATABASE_URL, found 'mysql'",
        ),
    ],
    ids=str,
)
def test_wrong_settings_end_any_command_with_a_line(settings, text):
    done = subprocess.run(
        [sys.executable, "manage.py", "load_instruments"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, **settings},
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"manage.py: {text}")
    assert done.stderr.count("\n") == 1


def test_a_database_without_tables_names_the_command_that_makes_them(monkeypatch):
    def refused(*arguments, **options):
        error = ProgrammingError('relation "x" does not exist\nLINE 1: SELECT')
        raise error from UndefinedTable()

    command = load_command_class("marketdata", "load_instruments")
    monkeypatch.setattr(command, "handle", refused)

    with pytest.raises(
        CommandError,
        match=r'^the database failed: relation "x" does not exist; `manage.py migrate`',
    ):
        call_command(command)


def test_a_command_without_database_url_names_the_setting():
    done = subprocess.run(
        [sys.executable, "manage.py", "load_instruments"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "DATABASE_URL": ""},
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (
        1, "", "CommandError: expected an address in DATABASE_URL, found none\n"
    )  # fmt: skip
