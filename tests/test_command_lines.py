"""Commands that are not Django's: help, examples that parse, exit codes, Ctrl-C."""

import importlib
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

import benchmarks.__main__
import services.__main__
from config import launch
from services.command_line import stopped_cleanly

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = [f"benchmarks.{name}" for name in benchmarks.__main__.every()]
# What starts each, and the module that has its `parser`.
COMMANDS = {
    "services": "services.__main__",
    "config.launch": "config.launch",
    "benchmarks": "benchmarks.__main__",
    "benchmarks.chaos": "benchmarks.chaos",
} | {name: name for name in BENCHMARKS}


def parser_of(name):
    # Benchmarks set what their servers need.
    with patch.dict(os.environ):
        return importlib.import_module(COMMANDS[name]).parser()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_a_sentence_exit_codes_and_examples_that_parse(name):
    parser = parser_of(name)

    text = parser.format_help()
    examples = text.partition("examples:\n")[2].splitlines()

    assert re.search(r"^[A-Z`].*[.:]$", parser.description, re.MULTILINE)
    assert re.search(r"Exit codes: .*0.*64\s+wrong\s+usage,\s+130", text, re.DOTALL)
    assert examples
    for line in examples:
        command, *arguments = shlex.split(re.sub(r'eval "\$\((.*)\)"', r"\1", line))
        assert command.startswith("python")
        assert arguments[:2] == ["-m", name]
        parser.parse_args(arguments[2:])


@pytest.mark.parametrize("name", COMMANDS)
def test_wrong_usage_is_64(name, capsys):
    with pytest.raises(SystemExit) as raised:
        parser_of(name).parse_args(["--bogus"])

    assert raised.value.code == 64
    assert "usage: " in capsys.readouterr().err


def test_benchmarks_of_an_unknown_name_say_which_there_are(capsys):
    with pytest.raises(SystemExit) as raised:
        benchmarks.__main__.main(["metadata", "metal"])

    err = capsys.readouterr().err
    assert raised.value.code == 64
    assert "expected some of candle_reads, " in err
    assert err.endswith("found metal\n")


@pytest.mark.parametrize("code", [None, 0, 3])
def test_stopped_cleanly_returns_what_the_command_does(code):
    assert stopped_cleanly(lambda: code, "x") == (code or 0)


@pytest.mark.parametrize(
    ("module", "command", "name"),
    [(services.__main__, "up", "services"), (launch, "run", "launch")],
    ids=["services", "launch"],
)
def test_ctrl_c_is_130_with_a_line(module, command, name, monkeypatch, capsys):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "run_command", interrupted)

    assert module.main([command]) == 130
    assert capsys.readouterr() == ("", f"{name}: stopped\n")


def test_ctrl_c_in_a_step_of_the_set_up_is_130(monkeypatch, capsys):
    def stopped(*, restart):
        raise subprocess.CalledProcessError(130, ["manage.py", "migrate"])

    monkeypatch.setattr(launch, "run_server", stopped)

    assert launch.main(["run"]) == 130
    assert capsys.readouterr().err == "launch: stopped\n"


def test_a_command_that_is_run_may_clean_up_after_ctrl_c(tmp_path):
    cleaned = tmp_path / "cleaned"
    inner = f"""
import pathlib, time
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.6)  # longer than `subprocess.run` lets it live
    pathlib.Path({str(cleaned)!r}).touch()
"""
    outer = f"""
import sys
from services.command_line import run_to_its_end, stopped_cleanly
argv = [sys.executable, "-S", "-c", {inner!r}]
sys.exit(stopped_cleanly(lambda: run_to_its_end(argv), "outer"))
"""
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", outer], cwd=ROOT, start_new_session=True,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip

    ready = process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=60)

    assert ready == "ready\n"
    assert (process.returncode, err) == (130, "outer: stopped\n")
    assert cleaned.exists()
