"""A server and a broker's feed process, with their logs."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from django.test import Client

from tests.marketdata.server_process import ROOT, SERVE

CSRF = "c" * 32
FEED = ("manage.py", "run_feed", "oanda")


class Market:
    """Runs `serve` and `run_feed oanda`; each writes its log into ``folder``."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.url = ""
        self.processes: dict[str, subprocess.Popen] = {}
        self._environment = {**os.environ, **environment}

    @property
    def log(self) -> str:
        """What all have written so far."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def start_server(self) -> None:
        """Start the server and wait until it listens."""
        log = self._start("serve", SERVE)
        self._wait_for(log, "listening on ws://")
        self.url = log.read_text().split("listening on ", 1)[1].split()[0]

    def start_feed(self, *options: str, name: str = "feed", awaits: str = "") -> None:
        """Start a feed process and wait until it serves private feeds, or says so."""
        log = self._start(name, (*FEED, *options))
        self._wait_for(log, awaits or "private feeds served")

    def stop_feed(self, name: str = "feed") -> None:
        """End a feed process as users do."""
        self.processes[name].terminate()
        assert self.processes.pop(name).wait(15) == 0

    def kill_feed(self) -> None:
        """End the feed process without a word."""
        self.processes["feed"].kill()
        self.processes.pop("feed").wait()

    def stop(self) -> None:
        """End all."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(60)

    def page(
        self, path: str, browser: Client, fields: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """Return status and text of a page, or of the answer to a form sent there.

        ``browser`` has logged in, and keeps cookies; the server is ours.
        """
        browser.cookies["csrftoken"] = CSRF
        pairs = [f"{name}={item.value}" for name, item in browser.cookies.items()]
        headers = {"Cookie": "; ".join(pairs)}
        body = None
        if fields is not None:
            body = urlencode(fields | {"csrfmiddlewaretoken": CSRF})
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        server = HTTPConnection(urlsplit(self.url).netloc, timeout=20)
        try:
            server.request("GET" if body is None else "POST", path, body, headers)
            answer = server.getresponse()
            for cookie in answer.headers.get_all("Set-Cookie", ()):
                browser.cookies.load(cookie)
            return answer.status, answer.read().decode()
        finally:
            server.close()

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
