"""Runs web processes that share a port, and starts again those that end."""

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence

import structlog

from marketdata.shared_port import SharedPort

# A process has 2 s to tell its clients and 3 s to drain; `manage.py serve` ends in 10.
STOP_TIMEOUT_S = 8.0
RESTART_MIN_S = 1.0
RESTART_MAX_S = 60.0
MIN_UPTIME_S = 60.0
MAX_DOUBLINGS = 10  # far over RESTART_MAX_S
LISTENING = "listening on"  # what a process writes when it does

log = structlog.get_logger(__name__)


def restart_delay_s(failures: int, random: float) -> float:
    """Return how long to wait after so many ends in a row; ``random`` is in [0, 1).

    It doubles up to a cap; the upper half of that, by chance, so that processes which
    died together do not come back together.
    """
    longest = min(RESTART_MAX_S, RESTART_MIN_S * 2 ** min(failures - 1, MAX_DOUBLINGS))
    return (1 + random) / 2 * longest


class WebProcesses:
    """Keeps so many processes running until SIGTERM or SIGINT.

    ``argv`` is a process's command without the number of its socket, which is added.
    ``on_listening`` is called once, when all listen; a process that ends before it has
    ever listened ends all. ``restarts`` counts those that were started again.
    """

    def __init__(
        self,
        argv: Sequence[str],
        port: SharedPort,
        count: int,
        *,
        on_listening: Callable[[], None],
    ) -> None:
        self.restarts = 0
        self._argv = argv
        self._port = port
        self._count = count
        self._on_listening = on_listening
        self._listened: set[int] = set()
        self._running: set[Process] = set()
        self._stop = asyncio.Event()
        self._has_failed = False

    async def run(self) -> bool:
        """Return, when all have ended, whether they did as they should.

        The second signal kills them and this process at once.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        async with asyncio.TaskGroup() as group:
            for index in range(self._count):
                group.create_task(self._keep_running(index))
        return not self._has_failed

    def _on_signal(self, number: int) -> None:
        if not self._stop.is_set():
            self._stop.set()
            return
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        os._exit(128 + number)

    async def _keep_running(self, index: int) -> None:
        failures = 0
        while not self._stop.is_set():
            started_s = time.monotonic()
            exit_code = await self._run_once(index)
            if self._stop.is_set():
                return
            if index not in self._listened:
                log.error("web process cannot start", process=index, code=exit_code)
                self._has_failed = True
                self._stop.set()
                return
            is_new = time.monotonic() - started_s < MIN_UPTIME_S
            failures = failures + 1 if is_new else 1
            self.restarts += 1
            delay_s = restart_delay_s(failures, random.random())
            log.warning(
                "web process ended",
                process=index,
                exit_code=exit_code,
                restart_in_s=round(delay_s, 1),
                restarts=self.restarts,
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), delay_s)

    async def _run_once(self, index: int) -> int | None:
        """Run a process until it ends or is to; return its exit code, if it had any."""
        try:
            process = await self._start()
        except OSError as exc:  # out of memory or processes, perhaps for a while
            log.error("cannot make a web process", process=index, error=str(exc))
            return None
        log.info("web process started", process=index, pid=process.pid)
        self._running.add(process)
        reading = asyncio.create_task(self._read(process, index))
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({reading, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if self._stop.is_set():
            await self._end(process, index)
        await reading
        await process.wait()
        self._running.discard(process)
        return process.returncode

    async def _start(self) -> Process:
        # Ours is closed at once: the process's end has to close its socket.
        with self._port.bind() as bound:
            fd = bound.fileno()
            # A session of its own: Ctrl-C in a terminal reaches a whole process group,
            # and with ours passed on that would be the second signal, which kills.
            # Standard input is held open and ends with us, however we end.
            return await asyncio.create_subprocess_exec(
                *self._argv,
                str(fd),
                stdin=PIPE,
                stdout=PIPE,
                pass_fds=(fd,),
                start_new_session=True,
            )

    async def _read(self, process: Process, index: int) -> None:
        """Pass on what a process writes until its end, but for its announcement."""
        assert process.stdout is not None
        async for line in process.stdout:
            text = line.decode(errors="replace")
            if not text.startswith(LISTENING):
                sys.stdout.write(text)
            elif index not in self._listened:
                self._listened.add(index)
                if len(self._listened) == self._count:
                    self._on_listening()

    async def _end(self, process: Process, index: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            log.error("web process did not end and is killed", process=index)
            process.kill()
            await process.wait()
        # Ended by our signal alone: it was still being started.
        if process.returncode not in (0, -signal.SIGTERM):
            self._has_failed = True
