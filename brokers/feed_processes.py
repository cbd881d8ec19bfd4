"""Runs the feeds as processes of their own and starts again those that end."""

import asyncio
import contextlib
import random
import time
from collections.abc import Mapping, Sequence

import structlog

from brokers.backoff import Backoff

# A feed has 10 s to store what it has read; after that it is not coming back.
STOP_TIMEOUT_S = 12.0
RESTART_MIN_S = 1.0
RESTART_MAX_S = 60.0
MIN_UPTIME_S = 60.0

log = structlog.get_logger(__name__)


async def run_processes(
    commands: Mapping[str, Sequence[str]], stop: asyncio.Event
) -> None:
    """Keep one process per name running until ``stop`` is set, then end them all.

    Their standard input is a pipe of ours: it ends when we do, however that happens.
    """
    async with asyncio.TaskGroup() as group:
        for name, argv in commands.items():
            group.create_task(_keep_running(name, argv, stop))
        await stop.wait()


async def _keep_running(name: str, argv: Sequence[str], stop: asyncio.Event) -> None:
    backoff = Backoff(RESTART_MIN_S, RESTART_MAX_S)
    while not stop.is_set():
        started_s = time.monotonic()
        # A session of its own: Ctrl-C in a terminal reaches a whole process group, and
        # with ours passed on that would be the second signal, which kills.
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.PIPE, start_new_session=True
        )
        log.info("feed process started", broker=name, pid=process.pid)
        ended = asyncio.create_task(process.wait())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if stop.is_set():
            await _end(name, process)
            return
        if time.monotonic() - started_s >= MIN_UPTIME_S:
            backoff.reset()
        delay_s = backoff.next_delay_s(random.random())
        log.warning(
            "feed process ended",
            broker=name,
            exit_code=process.returncode,
            restart_in_s=round(delay_s, 1),
        )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), delay_s)


async def _end(name: str, process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        log.error("feed process did not end and is killed", broker=name)
        process.kill()
        await process.wait()
