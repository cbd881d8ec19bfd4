"""Requests to Binance's REST interface, one after the other and not too fast."""

import asyncio
import time
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from brokers.binance.answers import describe_problem
from brokers.exceptions import InvalidFeedSetting, RequestFailed

# 6000 a minute are allowed to an address, which others may use, too ("IP Limits",
# rest-api.md of binance-spot-api-docs).
WEIGHT_PER_S = 75.0
CONNECT_TIMEOUT_S = 3.0
# Within what a stopped feed has left: its thread ends by itself only.
READ_TIMEOUT_S = 5.0
# After a refusal without a date: forbidden, banned, too fast, wrong country.
REFUSED_S = 60.0
_REFUSALS = frozenset({403, 418, 429, 451})


class BinanceRest:
    """Makes GET requests below ``base_address``, one at a time.

    After a refusal all wait as long as Binance says.
    """

    def __init__(self, base_address: str) -> None:
        if not base_address.startswith(("http://", "https://")):
            expected = "an address that begins with http:// or https://"
            raise InvalidFeedSetting("BINANCE_REST_URL", expected, base_address)
        self._base = base_address.rstrip("/")
        self._lock: asyncio.Lock | None = None
        self._next_s = 0.0
        self._pool = urllib3.PoolManager(
            maxsize=1,
            timeout=urllib3.Timeout(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
            retries=False,
            headers={"Accept-Encoding": "gzip"},
        )

    async def get(self, path: str, *, weight: int, **fields: Any) -> bytes:
        """Return the body of an answer with status 200.

        ``weight`` is what Binance counts of the request, and paces the next one.

        Raises:
            RequestFailed: there was none, or one with another status.
        """
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            await asyncio.sleep(max(0.0, self._next_s - time.monotonic()))
            self._next_s = time.monotonic() + weight / WEIGHT_PER_S
            try:
                answer = await asyncio.to_thread(
                    self._pool.request, "GET", self._base + path, fields=fields
                )
            except (HTTPError, OSError) as exc:
                raise RequestFailed(path, f"{type(exc).__name__}: {exc}") from exc
            if answer.status != 200:
                raise self._failure(path, answer)
            return answer.data

    def _failure(self, path: str, answer: urllib3.BaseHTTPResponse) -> RequestFailed:
        seconds = answer.headers.get("Retry-After", "")
        wait_s = float(seconds) if seconds.isdecimal() else 0.0
        if answer.status in _REFUSALS:
            wait_s = wait_s or REFUSED_S
            self._next_s = max(self._next_s, time.monotonic() + wait_s)
        found = f"HTTP {answer.status} {describe_problem(answer.data)}".rstrip()
        return RequestFailed(path, found, status=answer.status, retry_after_s=wait_s)
