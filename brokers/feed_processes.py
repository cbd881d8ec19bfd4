"""Runs the feeds as processes of their own and starts again those that end."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

import structlog

from brokers.backoff import Backoff
from brokers.run_together import unless

# A feed has 10 s to store what it has read; after that it is not coming back.
STOP_TIMEOUT_S = 12.0
RESTART_MIN_S = 1.0
RESTART_MAX_S = 60.0
MIN_UPTIME_S = 60.0

# The command lines of the processes that are to run now, by name.
Choose = Callable[[], Awaitable[Mapping[str, Sequence[str]]]]

log = structlog.get_logger(__name__)


async def run_processes(choose: Choose, stop: asyncio.Event, *, look_s: float) -> None:
    """Keep one process per chosen name running until ``stop``, then end them all.

    What is chosen is asked for every ``look_s``; a process whose command line changed
    is replaced. Their standard input is a pipe of ours: it ends when we do, however
    that happens.
    """
    running: dict[str, _Running] = {}
    async with asyncio.TaskGroup() as group:
        while not stop.is_set():
            commands = await unless(stop, choose())
            if commands is None:
                break
            for name, each in list(running.items()):
                if each.task.done():
                    del running[name]
                elif commands.get(name) != each.argv:
                    each.end.set()
            for name, argv in commands.items():
                # One that is still ending is started at a later look.
                if name not in running:
                    end = asyncio.Event()
                    task = group.create_task(_keep_running(name, argv, end))
                    running[name] = _Running(task, end, argv)
            await unless(stop, asyncio.sleep(look_s))
        for each in running.values():
            each.end.set()


class _Running(NamedTuple):
    task: asyncio.Task[None]
    end: asyncio.Event
    argv: Sequence[str]


async def _keep_running(name: str, argv: Sequence[str], stop: asyncio.Event) -> None:
    backoff = Backoff(RESTART_MIN_S, RESTART_MAX_S)
    while not stop.is_set():
        started_s = time.monotonic()
        exit_code: int | str | None
        try:
            process = await _start(argv)
        except OSError as exc:  # no memory, too many processes: others go on
            exit_code = str(exc)
        else:
            log.info("feed process started", broker=name, pid=process.pid)
            exit_code = await unless(stop, process.wait())
            if exit_code is None:
                await _end(name, process)
                return
        if time.monotonic() - started_s >= MIN_UPTIME_S:
            backoff.reset()
        delay_s = backoff.next_delay_s(random.random())
        log.warning(
            "feed process ended",
            broker=name,
            exit_code=exit_code,
            restart_in_s=round(delay_s, 1),
        )
        await unless(stop, asyncio.sleep(delay_s))


async def _start(argv: Sequence[str]) -> asyncio.subprocess.Process:
    # A session of its own: Ctrl-C in a terminal reaches a whole process group, and
    # with ours passed on that would be the second signal, which kills.
    return await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, start_new_session=True
    )


async def _end(name: str, process: asyncio.subprocess.Process) -> None:
    log.info("feed process is told to end", broker=name)
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        log.error("feed process did not end and is killed", broker=name)
        process.kill()
        await process.wait()
