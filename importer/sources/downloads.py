"""Getting the file of an hour from a server: paced, tried again, bounded, cached."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from importer.exceptions import (
    DamagedFile,
    HourError,
    RequestFailed,
    UnreadableFile,
)
from importer.hours import is_complete
from importer.sources.cache import FolderCache
from importer.sources.http import Answer, HttpClient
from importer.sources.pacing import Pacer
from importer.sources.retry import RetryPolicy

# Returns how many ticks a body has; raises DamagedFile.
Check = Callable[[bytes], int]

# So many hours in a row without any answer mean that nobody is there: from then on each
# hour is tried once, until one is answered.
OUTAGE_HOURS = 8

_TRANSIENT = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """What an hour may cost: tries, seconds of one request, seconds of all together."""

    tries: int
    request_s: float
    hour_s: float


class Downloader:
    """Fetches files; used from several threads at once."""

    def __init__(
        self,
        client: HttpClient,
        pacer: Pacer,
        limits: DownloadLimits,
        *,
        policy: RetryPolicy | None = None,
        cache: FolderCache | None = None,
        reads_cache: bool = True,
    ) -> None:
        """``cache`` None keeps nothing; ``reads_cache`` False asks for all anew."""
        self._client = client
        self._pacer = pacer
        self._limits = limits
        self._policy = policy or RetryPolicy()
        self._cache = cache
        self._reads_cache = reads_cache
        self._unanswered_hours = 0

    def fetch(self, url: str, hour_us: int, check: Check) -> bytes | None:
        """Return a body that passed ``check``; None if the server has no such file.

        Blocks for at most the limit of an hour.

        Raises:
            UnreadableFile: refused, or no good answer in all tries, which it names.
            DamagedFile: every try got an answer, and the last was damaged.
        """
        if self._cache and self._reads_cache:
            kept = self._cache.read(url)
            if kept is not None:
                return kept
        body = self._try_again(url, check)
        # An hour without ticks may get some later, and asking again costs little.
        is_whole = is_complete(hour_us, seen_us=time.time_ns() // 1_000)
        if self._cache and body and is_whole and check(body):
            self._cache.write(url, body)
        return body

    def close(self) -> None:
        """Make fetches that are under way fail at once."""
        self._client.close()

    def _try_again(self, url: str, check: Check) -> bytes | None:
        started_s = time.monotonic()
        failures: list[HourError] = []
        while True:
            left_s = self._limits.hour_s - (time.monotonic() - started_s)
            try:
                body = self._try(url, check, left_s=left_s)
            except (RequestFailed, DamagedFile) as exc:
                failures.append(exc)
            else:
                self._unanswered_hours = 0
                return body
            left_s = self._limits.hour_s - (time.monotonic() - started_s)
            delay_s = self._delay_s(failures)
            if delay_s is None or delay_s >= left_s or not self._client.wait(delay_s):
                took_s = time.monotonic() - started_s
                raise self._give_up(url, failures, took_s=took_s) from failures[-1]

    def _try(self, url: str, check: Check, *, left_s: float) -> bytes | None:
        with self._pacer.turn(self._client.wait, longest_s=left_s) as is_ours:
            if not is_ours:
                raise RequestFailed(url, "a turn to ask", "none in time")
            limit_s = min(self._limits.request_s, left_s)
            answer = self._client.get(url, limit_s=limit_s)
        return _accept(answer, url, check)

    def _delay_s(self, failures: list[HourError]) -> float | None:
        """Return how long to wait for the next try, None if there is none."""
        last = failures[-1]
        asked_s = last.retry_after_s if isinstance(last, RequestFailed) else None
        if asked_s:
            # The whole process leaves the server alone, not this thread only.
            self._pacer.pause(min(asked_s, self._policy.retry_after_cap_s))
        tries = 1 if self._unanswered_hours >= OUTAGE_HOURS else self._limits.tries
        if len(failures) >= tries:
            return None
        return self._policy.delay_s(len(failures), asked_s, random=random.random())

    def _give_up(
        self, url: str, failures: list[HourError], *, took_s: float
    ) -> HourError:
        tried = "; ".join(exc.found for exc in failures)
        tries = f"{len(failures)} {'try' if len(failures) == 1 else 'tries'}"
        found = f"in {tries} and {took_s:.1f} s: {tried}"
        if isinstance(failures[-1], DamagedFile):
            return DamagedFile(url, failures[-1].expected, found)
        self._unanswered_hours += 1
        return UnreadableFile(url, "a file or a 404", found)


def _accept(answer: Answer, url: str, check: Check) -> bytes | None:
    """Return the body of a good answer, None for "no such file"."""
    if answer.status == 404:
        return None
    if answer.status in _TRANSIENT or answer.status >= 500:
        asked_s = answer.retry_after_s
        text = f"status {answer.status}"
        if asked_s:
            text += f" (Retry-After {asked_s:.0f} s)"
        raise RequestFailed(url, "status 200 or 404", text, retry_after_s=asked_s)
    if answer.status != 200:
        found = f"status {answer.status}"
        raise UnreadableFile(url, "status 200 or 404", found)
    if "html" in answer.content_type.lower():
        found = f"{answer.content_type}, {len(answer.body)} bytes"
        raise RequestFailed(url, "a file of ticks", found)
    check(answer.body)
    return answer.body
