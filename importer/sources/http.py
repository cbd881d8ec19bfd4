"""GET over HTTP for threads: connections are kept, and nothing takes for ever.

urllib3 and not another client, because requests are made by threads that go on to
decode: it blocks, is made for threads, and brings no further package. httpx has had no
release for years; aiohttp would need an event loop in a thread of its own beside ours.
Neither bounds a whole request in threads, so each would need the watchdog as well.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, TimeoutError

from importer.exceptions import RequestFailed
from importer.sources.watchdog import Guard, GuardedPool, GuardedTlsPool, Watchdog

# Bounds what a stray answer can take of the memory; real hours stay below 1 MiB.
MAX_BODY_BYTES = 64 * 1024 * 1024
_BLOCK_BYTES = 64 * 1024
_USER_AGENT = "market-data-server (import_ticks)"


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; ``retry_after_s`` is None unless the server states it."""

    status: int
    body: bytes
    content_type: str
    retry_after_s: float | None


class HttpClient:
    """Makes GET requests; one client for all threads of a source."""

    def __init__(self, *, connections: int, silence_s: float) -> None:
        """Keep up to ``connections`` open; ``silence_s`` bounds connecting, and how
        long a server may send nothing."""
        self._silence_s = silence_s
        self._watchdog = Watchdog()
        self._closed = threading.Event()
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            timeout=silence_s,
            retries=False,
            headers={"User-Agent": _USER_AGENT, "Accept-Encoding": "gzip"},
        )
        self._pool.pool_classes_by_scheme = {
            "http": GuardedPool,
            "https": GuardedTlsPool,
        }

    def get(self, url: str, *, limit_s: float) -> Answer:
        """Return the server's whole answer, whatever its status; redirects are answers.

        Blocks for at most ``limit_s``, and then until the last silence is noticed.

        Raises:
            RequestFailed: no connection, no answer in time, or one that broke off.
        """
        with self._watchdog.guard(limit_s) as guard:
            if self._closed.is_set():
                raise RequestFailed(url, "an answer", "the import ending")
            try:
                answer = self._exchange(url, guard)
            except (HTTPError, OSError) as exc:
                raise self._failure(url, guard, exc, limit_s=limit_s) from exc
            # A body without a stated length just ends where the socket was shut down.
            if guard.is_cut:
                raise self._failure(url, guard, None, limit_s=limit_s)
            return answer

    def close(self) -> None:
        """End requests that are under way with RequestFailed, and refuse new ones."""
        self._closed.set()
        self._watchdog.cut_all()
        self._pool.clear()

    def wait(self, seconds: float) -> bool:
        """Sleep, or until it is closed; return whether the client is still open."""
        return not self._closed.wait(seconds)

    def _exchange(self, url: str, guard: Guard) -> Answer:
        response = self._pool.request("GET", url, preload_content=False, redirect=False)
        body = bytearray()
        try:
            for block in response.stream(_BLOCK_BYTES):
                body += block
                if len(body) > MAX_BODY_BYTES:
                    expected = f"at most {MAX_BODY_BYTES} bytes"
                    raise RequestFailed(url, expected, "more")
        except BaseException:
            response.close()  # what is left of the answer must not meet the next one
            raise
        response.release_conn()
        return Answer(
            response.status,
            bytes(body),
            response.headers.get("Content-Type", ""),
            parse_retry_after(response.headers, now_s=time.time()),
        )

    def _failure(
        self, url: str, guard: Guard, exc: Exception | None, *, limit_s: float
    ) -> RequestFailed:
        if self._closed.is_set():
            found = "the import ending"
        elif guard.is_cut:
            found = f"none complete within {limit_s:.3g} s"
        elif isinstance(exc, TimeoutError) and not isinstance(exc, NewConnectionError):
            found = f"silence for {self._silence_s:.3g} s"
        else:
            found = f"{type(exc).__name__}: {exc}"[:200]
        return RequestFailed(url, "an answer", found)


def parse_retry_after(headers: Mapping[str, str], *, now_s: float) -> float | None:
    """Return the seconds that `Retry-After` asks for, from a number or a date.

    None without it, or where it is neither.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_s)
    except ValueError:
        return None
