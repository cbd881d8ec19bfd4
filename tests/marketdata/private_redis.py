"""A Redis of a test's own, which it may stop and start."""

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError


class PrivateRedis:
    """A Redis without a disk on a port of its own."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._process: subprocess.Popen | None = None
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(
            [self._program, *options], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def kill(self) -> None:
        """End it without a word to its clients."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Leave all that comes unread."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Read again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with Redis.from_url(self.url, retry=None) as client:
                return client.ping()
        except RedisError:
            return False


def find_program() -> str:
    """Return the program of the Redis that the tests use, or the installed one."""
    with Redis.from_url(settings.REDIS_URL) as client:
        program = client.info("server")["executable"]
    found = program if Path(program).is_file() else shutil.which("redis-server")
    assert found, "expected redis-server on this machine, found none"
    return found
