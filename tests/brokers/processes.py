"""Running `manage.py` as users do: a process of its own on the test's database."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent.parent


class Managed:
    """A running management command; ``log`` is what it wrote so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log = ""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while line := await self.process.stdout.readline():
            self.log += line.decode()

    async def wait(self, timeout_s: float = 60.0) -> int:
        """Return the exit code."""
        try:
            await asyncio.wait_for(self._reading, timeout_s)
            return await asyncio.wait_for(self.process.wait(), timeout_s)
        except TimeoutError:
            raise AssertionError(f"still running:\n{self.log}") from None

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return await self.wait()


@asynccontextmanager
async def manage(*arguments: str, **environment: str) -> AsyncIterator[Managed]:
    """Run a command on the test's database and Redis; kill it at the end.

    Its journal is a folder of its own unless JOURNAL_DIR says more.
    """
    journal = TemporaryDirectory()
    given = {"DATABASE_URL": database_url(), "JOURNAL_DIR": journal.name}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "manage.py"),
        *arguments,
        env={**os.environ, **given, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    managed = Managed(process)
    try:
        yield managed
    finally:
        if process.returncode is None:
            process.kill()
        await managed.wait()
        journal.cleanup()


def database_url() -> str:
    """Return the address of the test database."""
    base = settings.DATABASE_URL.rpartition("/")[0]
    return f"{base}/{connection.settings_dict['NAME']}"
