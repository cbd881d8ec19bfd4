"""A server that answers as Dukascopy's two do, from files, well or badly.

    with serving(Archive(PAYLOADS)) as server:
        server.plan(hour_us, Fault.STALL, Fault.ERROR)     then it answers well
        server.api_url, server.bi5_url

Of itself, for tests of whole processes; prints its addresses as a line of JSON:

    python -m tests.importer.dukascopy_server --folder <folder> --repeat \\
        --share error=0.02 --share stall=0.01 --broken 2019-02-04T13
"""

import argparse
import gzip
import json
import random
import re
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from history.timestamps import to_datetime, to_us
from marketdata.catalog import InstrumentType
from marketdata.durations import HOUR_US
from marketdata.market_calendar import is_closed
from tests.importer.bi5_files import PAYLOADS
from tests.importer.jetta_answers import answer_of_file, with_timestamp

_API = re.compile(
    r"/v1/ticks/([A-Z0-9.]+-[A-Z0-9]+)"
    r"/(\d{4})/([1-9]|1[0-2])/([1-9]|[12]\d|3[01])/(\d|1\d|2[0-3])"
)
_BI5 = re.compile(r"/datafeed/([A-Z0-9]+)/(\d{4})/(\d\d)/(\d\d)/(\d\d)h_ticks\.bi5")
HTML = b"<!DOCTYPE html><html><title>Just a moment...</title></html>"


class Fault(Enum):
    """A way to answer badly."""

    NOT_FOUND = "404"
    FORBIDDEN = "403"
    REDIRECT = "302"
    TOO_MANY = "429"
    ERROR = "error"
    BAD_GATEWAY = "502"
    UNAVAILABLE = "503"
    HTML = "html"
    EMPTY = "empty"
    TRUNCATED = "truncated"  # less than the stated length
    CUT = "cut"  # half of it, without a stated length
    RESET = "reset"
    STALL = "stall"
    DRIP = "drip"
    DRIP_HEADERS = "drip headers"


_STATUS = {
    Fault.NOT_FOUND: 404,
    Fault.FORBIDDEN: 403,
    Fault.REDIRECT: 302,
    Fault.TOO_MANY: 429,
    Fault.ERROR: 500,
    Fault.BAD_GATEWAY: 502,
    Fault.UNAVAILABLE: 503,
}


@dataclass(frozen=True)
class Archive:
    """Files of hours in a folder, named as in our payloads.

    ``repeats`` serves the file of the same hour of whatever day there is, empty hours
    at week ends, so that a folder with one day is an archive of years.
    """

    folder: Path = PAYLOADS
    repeats: bool = False
    price_scale: int = 100_000

    def bi5(self, symbol: str, hour_us: int) -> bytes | None:
        """Return the file of an hour."""
        start = to_datetime(hour_us)
        if self.repeats and is_closed(InstrumentType.FOREX, hour_us):
            return b""
        day = "????-??-??" if self.repeats else f"{start:%Y-%m-%d}"
        return _first_file(self.folder, f"{symbol}_{day}_{start:%H}h_ticks.bi5")

    def api(self, code: str, hour_us: int) -> bytes | None:
        """Return the answer for an hour: a recorded one, or made from the file."""
        start = to_datetime(hour_us)
        name = f"{start.year}-{start.month}-{start.day}-{start.hour}"
        recorded = self.folder / f"ticks-{code}-{name}.json"
        if recorded.exists():
            return recorded.read_bytes()
        data = self.bi5(re.sub(r"[^A-Z0-9]", "", code), hour_us)
        if data is None:
            return None
        return with_timestamp(answer_of_file(data, self.price_scale), hour_us)


@lru_cache(maxsize=256)
def _first_file(folder: Path, pattern: str) -> bytes | None:
    paths = sorted(folder.glob(pattern))
    return paths[0].read_bytes() if paths else None


class FakeDukascopy(ThreadingHTTPServer):
    """The server; what it was asked is in ``asked`` as (monotonic seconds, path)."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, archive: Archive, *, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.archive = archive
        self.asked: list[tuple[float, str]] = []
        self.active = self.peak = 0
        self.latency_s = 0.0
        self.drip_s = 0.02
        self.retry_after = "1"
        self.is_gzipped = False
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self._planned: dict[int, deque[Fault]] = {}
        self._always: dict[int, Fault] = {}
        self._shares: Mapping[Fault, float] = {}
        self._random = random.Random(0)

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def bi5_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/datafeed"

    def plan(self, hour_us: int, *faults: Fault) -> None:
        """Answer the next requests for the hour so, then well."""
        self._planned[hour_us] = deque(faults)

    def break_for_good(self, hour_us: int, fault: Fault) -> None:
        """Answer every request for the hour so."""
        self._always[hour_us] = fault

    def fail_at_random(self, shares: Mapping[Fault, float], *, seed: int) -> None:
        """Answer these shares of all other requests so."""
        self._shares = shares
        self._random = random.Random(seed)

    def next_fault(self, hour_us: int) -> Fault | None:
        """Return how the next request for the hour is answered badly, if it is."""
        with self.lock:
            if hour_us in self._always:
                return self._always[hour_us]
            if self._planned.get(hour_us):
                return self._planned[hour_us].popleft()
            lot = self._random.random()
            for fault, share in self._shares.items():
                if lot < share:
                    return fault
                lot -= share
        return None

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients break off, that is what they are tested for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FakeDukascopy

    def do_GET(self) -> None:
        server = self.server
        with server.lock:
            server.asked.append((time.monotonic(), self.path))
            server.active += 1
            server.peak = max(server.peak, server.active)
        try:
            server.stopping.wait(server.latency_s)
            self._answer()
        finally:
            with server.lock:
                server.active -= 1

    def log_message(self, *args: object) -> None:
        """Keep quiet."""

    def _answer(self) -> None:
        found = self._find()
        if found is None:
            self._send(404, b"no such address")
            return
        hour_us, content_type, data = found
        fault = self.server.next_fault(hour_us)
        if fault in _STATUS or (fault is None and data is None):
            self._send(_STATUS[fault] if fault else 404, b"{}", "application/json")
        elif fault is None:
            self._send(200, data or b"", content_type)
        else:
            self._send_badly(fault, content_type, data or b"")

    def _find(self) -> tuple[int, str, bytes | None] | None:
        archive = self.server.archive
        if match := _API.fullmatch(self.path):
            code, hour_us = match[1], _hour_us(match, first_month=1)
            return hour_us, "application/json", archive.api(code, hour_us)
        if match := _BI5.fullmatch(self.path):
            symbol, hour_us = match[1], _hour_us(match, first_month=0)
            return hour_us, "application/octet-stream", archive.bi5(symbol, hour_us)
        return None

    def _send(self, status: int, data: bytes, content_type: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if self.server.is_gzipped and status == 200:
            data = gzip.compress(data)
            self.send_header("Content-Encoding", "gzip")
        if status in (429, 503) and self.server.retry_after:
            self.send_header("Retry-After", self.server.retry_after)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _send_badly(self, fault: Fault, content_type: str, data: bytes) -> None:
        if fault is Fault.HTML:
            self._send(200, HTML, "text/html; charset=utf-8")
            return
        if fault is Fault.EMPTY:
            self._send(200, b"", content_type)
            return
        self.close_connection = True
        if fault is Fault.STALL:
            self.server.stopping.wait(60)
        elif fault is Fault.DRIP_HEADERS:
            self._drip(b"HTTP/1.1 200 OK\r\nX-Filler: " + b"x" * 10_000)
        elif fault is not Fault.RESET:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            if fault is not Fault.CUT:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if fault is Fault.DRIP:
                self._drip(data)
            else:
                self.wfile.write(data[: len(data) // 2])

    def _drip(self, data: bytes) -> None:
        for value in data:
            self.wfile.write(bytes([value]))
            if self.server.stopping.wait(self.server.drip_s):
                return


def _hour_us(match: re.Match[str], *, first_month: int) -> int:
    year, month, day, hour = map(int, match.groups()[1:])
    return to_us(datetime(year, month + 1 - first_month, day, hour, tzinfo=UTC))


@contextmanager
def serving(archive: Archive | None = None) -> Iterator[FakeDukascopy]:
    """Run the server in threads of this process."""
    with FakeDukascopy(archive or Archive()) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            server.shutdown()
            thread.join()


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--folder", type=Path, default=PAYLOADS)
    add("--repeat", action="store_true", help="one day is an archive of years")
    add("--port", type=int, default=0)
    add("--share", action="append", default=[], metavar="FAULT=0.02")
    add("--seed", type=int, default=1)
    add("--broken", action="append", default=[], metavar="2019-02-04T13")
    options = parser.parse_args()
    shares = {Fault(name): float(share) for name, share in _pairs(options.share)}
    with FakeDukascopy(
        Archive(options.folder, options.repeat), port=options.port
    ) as server:
        server.fail_at_random(shares, seed=options.seed)
        for text in options.broken:
            hour_us = to_us(datetime.fromisoformat(f"{text}:00+00:00"))
            server.break_for_good(hour_us - hour_us % HOUR_US, Fault.ERROR)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stopping.set())
        threading.Thread(target=server.serve_forever, daemon=True).start()
        urls = {"api_url": server.api_url, "bi5_url": server.bi5_url}
        print(json.dumps(urls), flush=True)  # noqa: T201
        server.stopping.wait()


def _pairs(texts: list[str]) -> list[tuple[str, str]]:
    return [(name, share) for name, _, share in (text.partition("=") for text in texts)]


if __name__ == "__main__":
    main()
