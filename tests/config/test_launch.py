import fcntl
import os
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from honcho.environ import parse_procfile

from config import launch
from services.errors import DownloadFailedError

PROCFILE = parse_procfile((launch.BASE_DIR / "Procfile").read_text())


@pytest.mark.parametrize("name", PROCFILE.processes)
def test_watched_command_of_the_procfile_can_be_started(name: str) -> None:
    words = shlex.split(launch.watched(PROCFILE.processes[name]))

    inner = shlex.split(words[words.index(str(launch.DRAIN_S)) + 1])
    assert words[:2] == ["exec", "watchfiles"]
    assert shutil.which(inner[0]) or inner[0] == "celery"


def test_choose_values_keeps_what_an_earlier_start_chose() -> None:
    urls = {"DATABASE_URL": "postgres://new", "REDIS_URL": "redis://new"}
    first = launch.choose_values({}, urls)

    again = launch.choose_values(
        {**first, "PORT": "8081", "BROKERS_ENABLED": "binance", "REDIS_URL": "old"},
        urls,
    )

    assert again == {**first, "PORT": "8081", "BROKERS_ENABLED": "binance"}
    assert len(first["SECRET_KEY"]) > 40
    assert first["HOST"] == "127.0.0.1"
    assert first["BROKERS_ENABLED"] == "simulated,redis"


def test_is_last_user_beside_another_is_false(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as ours, path.open("w") as theirs:
        fcntl.flock(ours, fcntl.LOCK_SH)
        fcntl.flock(theirs, fcntl.LOCK_SH)

        assert not launch.is_last_user(ours)

        fcntl.flock(theirs, fcntl.LOCK_UN)
        assert launch.is_last_user(ours)


def test_check_port_that_is_taken_names_the_setting_and_the_owner() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(
            launch.LaunchError, match=rf"{port} \(PORT\).*process {os.getpid()}"
        ):
            launch.check_port(port)


def test_set_up_goes_on_without_the_chart_library(monkeypatch, capsys):
    def fail():
        raise DownloadFailedError("no network")

    monkeypatch.setattr(launch, "ensure_page", fail)

    launch.fetch_page()

    said = capsys.readouterr().err
    assert said.startswith(
        "launch: the page has no chart (download_failed): no network"
    )


def test_set_up_makes_what_tick_indexes_asks_for(monkeypatch):
    calls = []

    def manage(*arguments, stdout=None):
        calls.append(arguments)
        return subprocess.CompletedProcess(arguments, 0, stdout="a login\n")

    monkeypatch.setattr(launch, "manage", manage)

    assert launch.set_up() == "a login"
    assert calls[:2] == [
        ("migrate", "--verbosity", "0"),
        ("recreate_indexes", "--only-missing"),
    ]
