"""A server, a broker's feed process and the broker, with the logs of our processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.marketdata.server_process import ROOT, SERVE

FEED = ("-m", "tests.brokers.line_manage", "run_feed", "oanda")


class Market:
    """Runs `serve` and `run_feed oanda`; each writes its log into ``folder``."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.url = ""
        self.processes: dict[str, subprocess.Popen] = {}
        self._environment = {**os.environ, **environment}

    @property
    def log(self) -> str:
        """What both have written so far."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def start_server(self) -> None:
        """Start the server and wait until it listens."""
        log = self._start("serve", SERVE)
        self._wait_for(log, "listening on ws://")
        self.url = log.read_text().split("listening on ", 1)[1].split()[0]

    def start_feed(self, *options: str) -> None:
        """Start the feed process and wait until it is there."""
        log = self._start("feed", (*FEED, *options))
        self._wait_for(log, "connecting" if not options else "private feeds served")

    def kill_feed(self) -> None:
        """End the feed process without a word."""
        self.processes["feed"].kill()
        self.processes.pop("feed").wait()

    def stop(self) -> None:
        """End both."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(60)

    def _start(self, name: str, arguments: tuple[str, ...]) -> Path:
        path = self.folder / f"{name}-{time.monotonic_ns()}.log"
        with path.open("w") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return path

    def _wait_for(self, path: Path, text: str) -> None:
        deadline = time.monotonic() + 60
        while text not in path.read_text():
            assert time.monotonic() < deadline, path.read_text()
            time.sleep(0.05)


@contextmanager
def running_market(folder: Path, environment: dict[str, str]) -> Iterator[Market]:
    """Start both, and end them."""
    market = Market(folder, environment)
    try:
        market.start_server()
        market.start_feed()
        yield market
    finally:
        market.stop()
