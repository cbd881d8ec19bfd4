"""The command line: exit codes and what is printed."""

import os
import subprocess
import sys

import pytest

from services.__main__ import format_status, main
from services.instances import Environment, Status
from services.paths import REPOSITORY


def test_main_without_command_exits_64():
    done = subprocess.run(
        [sys.executable, "-m", "services"],
        cwd=REPOSITORY,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 64
    assert "the following arguments are required: command" in done.stderr


@pytest.mark.parametrize("arguments", [["fly"], ["up", "--purge"], ["venv", "x"]])
def test_main_wrong_usage_exits_64(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 64
    assert "usage: python3 -m services" in capsys.readouterr().err


def test_main_wrong_setting_prints_code_and_exits_1(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SERVICES_DIR", str(tmp_path))
    monkeypatch.setenv("SERVICES", "docker")

    code = main(["up"])

    assert code == 1
    assert capsys.readouterr().err == (
        "services: error (services_error): expected SERVICES unset or 'private', "
        "found 'docker'\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_render_address_with_shell_characters_is_quoted():
    ready = Environment("postgres://u:a$b'c@h/d", "redis://:x@h:1/0")

    assert ready.render() == (
        "export DATABASE_URL='postgres://u:a$b'\"'\"'c@h/d'\n"
        "export REDIS_URL=redis://:x@h:1/0\n"
    )


def test_format_status_external_has_dashes():
    assert format_status(Status("Redis", "external")) == "Redis  external  -  -  -"
