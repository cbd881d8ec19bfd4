"""`manage.py serve` with options, as a process whose output is kept."""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator

from tests.marketdata.polling import until
from tests.marketdata.server_process import ROOT, SERVE


class Serving:
    """A running command; ``log`` is what it and its processes wrote so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log = ""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while line := await self.process.stdout.readline():
            self.log += line.decode()

    @property
    def host(self) -> str:
        """Host and port; it must listen."""
        return re.search(r"listening on ws://(\S+)/", self.log)[1]

    @property
    def pids(self) -> list[int]:
        """The processes that were started, in order."""
        return [int(found) for found in re.findall(r"\bpid=(\d+)", self.log)]

    async def wait(self, timeout_s: float = 60.0) -> int:
        """Return the exit code, once all who write to the output have ended."""
        await asyncio.wait_for(self._reading, timeout_s)
        return await asyncio.wait_for(self.process.wait(), timeout_s)


@contextlib.asynccontextmanager
async def serving(
    *options: str, listens: bool = True, **environment: str
) -> AsyncIterator[Serving]:
    """Run the command, without a database; kill it at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *SERVE, *options),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={
            **os.environ,
            "DATABASE_URL": "",
            "ALLOWED_HOSTS": "127.0.0.1",
            "BROKERS_ENABLED": "binance",
            "FEED_SILENT_S": "600",
            **environment,
        },
    )
    running = Serving(process)
    try:
        if listens:
            await until(lambda: "listening on" in running.log)
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await running.wait()
