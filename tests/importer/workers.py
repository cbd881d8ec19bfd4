"""Celery workers as processes of their own, on the test's database and Redis."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.brokers.processes import ROOT, database_url


@contextmanager
def worker(**environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker that does one task at a time, until the block ends."""
    argv = ["-m", "celery", "-A", "config", "worker", "-P", "solo", "-l", "warning"]
    process = subprocess.Popen(
        [sys.executable, *argv, "--without-gossip", "--without-mingle"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url(), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)
