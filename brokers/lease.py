"""One active feed per broker: takes the lease, renews it, stands by without it.

Streaming does not depend on the database: who is active stays active while it is away,
and a process that starts then is active without the lease, until it can take it. What
must never be twice is checked where it is stored, by ``guard``.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import django.db
import structlog

from brokers.exceptions import LeaseLost
from brokers.lease_store import check_lease
from marketdata.numbering import next_epoch

Found = TypeVar("Found")

RELEASE_TIMEOUT_S = 1.0  # of the 10 s that a stop may take in all
MAX_LOOK_S = 0.5
RENEWALS_PER_EXPIRY = 5

log = structlog.get_logger(__name__)


class Store(Protocol):
    """What is needed of `LeaseStore`; all methods block."""

    broker: str

    def take(self, epoch: int, expiry_s: float | None) -> int | None: ...
    def adopt(self, epoch: int) -> bool: ...
    def renew(self, epoch: int) -> bool: ...
    def release(self) -> None: ...
    def close(self) -> None: ...


class Lease:
    """This process's part in the lease of one broker.

    ``epoch`` is that of the current turn, 0 before the first. The lease is free
    ``expiry_s`` after its holder's last sign of life. ``name`` is for logs.
    """

    def __init__(
        self,
        store: Store,
        *,
        expiry_s: float,
        name: str = "feed",
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.epoch = 0
        self.broker = store.broker
        self._store = store
        self._expiry_s = expiry_s
        self._renew_s = expiry_s / RENEWALS_PER_EXPIRY
        self._now_s = now_s
        self._is_ours = False
        self._is_away = False
        self._superseded = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lease")
        self._name = name
        self._log = log.bind(broker=store.broker)

    async def acquire(self) -> int:
        """Return the epoch of a new turn, as soon as it is ours; stands by till then.

        A process that has just started and cannot ask the database begins without the
        lease. One that stood by goes on doing so: somebody is active. Afterwards, and
        after an answer that took long, it gives that one time to find back before it
        takes a lease for expired.
        """
        self._superseded.clear()
        expires_from_s, is_standby, was_told = 0.0, self.epoch > 0, False
        while True:
            by_clock = next_epoch(self.epoch, self._now_s())
            looked_s = time.monotonic()
            is_settled = looked_s >= expires_from_s
            try:
                found = await self._call(
                    self._store.take, by_clock, self._expiry_s if is_settled else None
                )
            except django.db.Error as exc:
                if not is_standby:
                    self._log.warning("started without the lease", error=_text(exc))
                    return self._begin(by_clock, is_ours=False)
                self._note_away(exc)
                expires_from_s = time.monotonic() + self._expiry_s
            else:
                self._is_away = False
                if found is not None:
                    return self._begin(found, is_ours=True)
                answered_s = time.monotonic()
                if answered_s - looked_s > self._expiry_s / 2:
                    expires_from_s = answered_s + self._expiry_s
                if not was_told:
                    self._log.info(f"{self._name} stands by: another process is active")
                is_standby = was_told = True
            await asyncio.sleep(min(MAX_LOOK_S, self._renew_s))

    async def keep(self) -> None:
        """Renew the lease for as long as it is ours.

        Raises:
            LeaseLost: it is another process's. Never returns.
        """
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._renew_s):
                    await self._superseded.wait()
                    raise LeaseLost(self.broker)
            try:
                show = self._store.renew if self._is_ours else self._store.adopt
                self._is_ours = await self._call(show, self.epoch)
            except django.db.IntegrityError:
                continue  # a broker that the database does not know
            except django.db.Error as exc:
                self._note_away(exc)
                continue
            self._is_away = False
            if not self._is_ours:
                raise LeaseLost(self.broker)

    def give_up(self) -> None:
        """Have ``keep`` end: whoever stores saw that another process is active."""
        self._superseded.set()

    def guard(self) -> Callable[[Any], None]:
        """Return what checks, in a transaction of any thread, that the turn lasts.

        It takes the transaction's cursor and raises as `check_lease` does.
        """
        broker, epoch = self.broker, self.epoch
        return lambda cursor: check_lease(cursor, broker, epoch)

    async def release(self) -> None:
        """Let a standby take over at once; without the database it has to wait."""
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT_S):
                await self._call(self._store.release)
        except (django.db.Error, TimeoutError) as exc:
            self._log.warning("lease not released", error=_text(exc))
        self.close()

    def close(self) -> None:
        """Use the database no more."""
        self._thread.submit(self._store.close)
        self._thread.shutdown(wait=False)

    def _begin(self, epoch: int, *, is_ours: bool) -> int:
        self.epoch, self._is_ours = epoch, is_ours
        self._log.info(f"{self._name} is the active one", epoch=epoch)
        return epoch

    def _note_away(self, exc: Exception) -> None:
        if not self._is_away:
            self._log.warning("lease cannot be looked at", error=_text(exc))
        self._is_away = True

    async def _call(self, do: Callable[..., Found], *arguments: Any) -> Found:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, do, *arguments)


def _text(exc: Exception) -> str:
    return str(exc).strip() or type(exc).__name__
