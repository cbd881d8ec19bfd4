"""One pricing stream: an HTTP answer in chunks that is read line by line."""

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from brokers.exceptions import FeedLost, FeedRefused, FeedSilent, FeedUnauthorized
from brokers.oanda.access import Access
from brokers.oanda.limits import StreamLimits

CONNECT_TIMEOUT_S = 10.0
# A price with 4 levels a side has 600 bytes.
MAX_LINE_BYTES = 65_536
_UNAUTHORIZED = frozenset({401, 403})
# What asking again soon does not change: an instrument or account that OANDA does not
# know (it does not say which), too many requests, a country that it does not serve.
_REFUSALS = frozenset({400, 404, 429, 451})

TakeLine = Callable[[bytes], None]


class Stream:
    """An open stream; ``reading`` ends only with an error, that of its end."""

    reading: asyncio.Task[None]

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        instruments: tuple[str, ...],
        limits: StreamLimits,
        silence_s: float,
    ) -> None:
        self.instruments = instruments
        self._response = response
        self._limits = limits
        self._silence_s = silence_s
        self._has_line = asyncio.Event()
        self._is_closed = False

    def start(self, take: TakeLine) -> None:
        """Hand each line to ``take`` from now on."""
        self.reading = asyncio.create_task(self._read(take))

    async def wait_for_line(self) -> None:
        """Return when a line came.

        Raises:
            FeedLost: the stream ended before.
        """
        arrival = asyncio.create_task(self._has_line.wait())
        try:
            await asyncio.wait(
                {arrival, self.reading}, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            arrival.cancel()
        if not self._has_line.is_set():
            self.raise_if_ended()

    def raise_if_ended(self) -> None:
        """Raise FeedLost if the stream ended."""
        if self.reading.done():
            self.reading.result()

    async def stop(self) -> None:
        """End reading and close the connection, if that was not done yet."""
        self.reading.cancel()
        await asyncio.gather(self.reading, return_exceptions=True)
        self.close()

    def close(self) -> None:
        """Close the connection of a stream that was not started."""
        if not self._is_closed:
            self._is_closed = True
            self._response.close()
            self._limits.give_back()

    async def _read(self, take: TakeLine) -> None:
        # `readline` does not suspend while lines are buffered, so all lines of one read
        # from the socket are emitted in one turn of the loop and published together.
        while line := await self._next_line():
            if not line.isspace():
                take(line)
                self._has_line.set()
        raise FeedLost("the broker ended the stream")

    async def _next_line(self) -> bytes:
        try:
            return await self._response.content.readline(max_line_length=MAX_LINE_BYTES)
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise _lost(exc, self._silence_s) from None
        except HttpProcessingError:
            raise FeedLost("the broker sent a line without an end") from None


def open_session() -> aiohttp.ClientSession:
    """Return a session of one feed's requests; to be closed."""
    # The operating system's proxy settings and `.netrc` are for people, not for feeds.
    return aiohttp.ClientSession(
        trust_env=False, headers={"Accept-Encoding": "identity"}
    )


async def open_stream(
    session: aiohttp.ClientSession,
    access: Access,
    instruments: tuple[str, ...],
    limits: StreamLimits,
    *,
    silence_s: float,
) -> Stream:
    """Return the instruments' stream, counted in ``limits``, which paces requests.

    Raises:
        FeedUnauthorized: the broker does not take the credentials.
            Nor is it asked again within 30 s, by whatever feed or client.
        FeedLost: all streams are taken, or the broker did not open one.
    """
    refused_s = limits.refused_for_s(access, time.monotonic())
    if refused_s:
        reason = "the broker refused these credentials less than 30 s ago"
        raise FeedUnauthorized(401, reason, refused_s)
    if not limits.take():
        raise FeedLost("as many streams as OANDA allows are open")
    try:
        await asyncio.sleep(limits.reserve_s(time.monotonic()))
        response = await _request(session, access, instruments, silence_s)
    except FeedUnauthorized as exc:
        limits.give_back()
        now_s = time.monotonic()
        limits.note_refused(access, now_s + exc.retry_after_s, now_s)
        raise
    except BaseException:
        limits.give_back()
        raise
    return Stream(response, instruments, limits, silence_s)


async def _request(
    session: aiohttp.ClientSession,
    access: Access,
    instruments: tuple[str, ...],
    silence_s: float,
) -> aiohttp.ClientResponse:
    timeout = aiohttp.ClientTimeout(
        total=None,  # aiohttp's default would end the stream after 5 minutes
        sock_connect=CONNECT_TIMEOUT_S,
        sock_read=silence_s,
    )
    try:
        response = await session.get(
            URL(access.stream_address(instruments), encoded=True),
            headers=access.headers(),
            allow_redirects=False,  # the key is for this host alone
            timeout=timeout,
        )
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise _lost(exc, silence_s) from None
    if response.status != HTTPStatus.OK:
        response.close()
        raise _refusal(response.status, response.headers.get("Retry-After", ""))
    return response


def _lost(exc: Exception, silence_s: float) -> FeedLost:
    """Return our error for one of the client's.

    Not raised from it, and without its text: that may have the address, so the account,
    or the request's headers.
    """
    if isinstance(exc, aiohttp.SocketTimeoutError):
        return FeedSilent(silence_s)
    reason = exc.strerror if isinstance(exc, OSError) else None
    return FeedLost(f"{type(exc).__name__}: {reason}" if reason else type(exc).__name__)


def _refusal(status: int, retry_after: str) -> FeedLost:
    seconds = float(retry_after) if retry_after.isdecimal() else 0.0
    if status in _UNAUTHORIZED:
        reason = f"the broker does not take the credentials: HTTP {status}"
        return FeedUnauthorized(status, reason, seconds)
    if status in _REFUSALS:
        return FeedRefused(status, seconds)
    return FeedLost(f"expected HTTP 200, found {status}")
