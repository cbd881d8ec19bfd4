"""Processes that come and go as they are chosen."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from brokers import feed_processes
from brokers.feed_processes import run_processes
from tests.marketdata.polling import until

# Writes a file at its start, another at SIGTERM.
PROGRAM = """
import pathlib, signal, sys, time
name = sys.argv[1]
def end(*_):
    pathlib.Path(name + ".ended").touch()
    sys.exit()
signal.signal(signal.SIGTERM, end)
pathlib.Path(name + ".started").touch()
time.sleep(60)
"""


async def test_processes_follow_the_choice(tmp_path: Path) -> None:
    chosen: Mapping[str, Sequence[str]] = {}
    stop = asyncio.Event()

    async def choose() -> Mapping[str, Sequence[str]]:
        return chosen

    def command(name: str) -> list[str]:
        return [sys.executable, "-c", PROGRAM, str(tmp_path / name)]

    def happened(what: str) -> bool:
        return (tmp_path / what).exists()

    running = asyncio.create_task(run_processes(choose, stop, look_s=0.05))
    chosen = {"a": command("one"), "b": command("two")}
    await until(lambda: happened("one.started") and happened("two.started"))
    chosen = {"a": command("three")}  # a changed, b is gone
    await until(lambda: happened("one.ended") and happened("two.ended"))
    await until(lambda: happened("three.started"))
    stop.set()
    await running

    assert happened("three.ended")


async def test_process_that_cannot_be_started_costs_others_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_processes, "RESTART_MIN_S", 0.01)
    program = tmp_path / "late"
    good = [sys.executable, "-c", PROGRAM, str(tmp_path / "good")]
    stop = asyncio.Event()

    async def choose() -> Mapping[str, Sequence[str]]:
        return {"bad": [str(program)], "good": good}

    running = asyncio.create_task(run_processes(choose, stop, look_s=0.05))
    await until(lambda: (tmp_path / "good.started").exists())
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/late.started\nexec sleep 60\n")
    program.chmod(0o700)
    await until(lambda: (tmp_path / "late.started").exists(), timeout_s=20)
    stop.set()
    await running

    assert (tmp_path / "good.ended").exists()
