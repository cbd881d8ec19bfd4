"""Who is active and who stands by, with a store that does what it is told."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import django.db
import pytest

from brokers.exceptions import LeaseLost
from brokers.lease import Lease
from brokers.lease_turns import take_turns
from marketdata.numbering import EPOCH_ORIGIN_S
from tests.marketdata.polling import until

AWAY = django.db.OperationalError("the database is away")


class FakeStore:
    """Answers with the next of ``answers``, then with the last one for ever."""

    broker = "fake"

    def __init__(self, *answers: Any) -> None:
        self.answers = deque(answers)
        self.calls: list[tuple[str, Any]] = []

    def _answer(self, name: str, given: Any) -> Any:
        self.calls.append((name, given))
        answers = self.answers
        answer = answers.popleft() if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def take(self, epoch: int, expiry_s: float | None) -> Any:
        return self._answer("take", expiry_s)

    def adopt(self, epoch: int) -> Any:
        return self._answer("adopt", epoch)

    def renew(self, epoch: int) -> Any:
        return self._answer("renew", epoch)

    def release(self) -> Any:
        return self._answer("release", None)

    def close(self) -> None:
        self.calls.append(("close", None))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


class Rig:
    """Leases of a clock that stands still, closed at the end."""

    def __init__(self) -> None:
        self.leases: list[Lease] = []

    def lease(self, *answers: Any, expiry_s: float = 0.1) -> tuple[Lease, FakeStore]:
        store = FakeStore(*answers)
        lease = Lease(store, expiry_s=expiry_s, now_s=lambda: EPOCH_ORIGIN_S + 1_000)
        self.leases.append(lease)
        return lease, store


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """Makes leases."""
    rig = Rig()
    yield rig
    for lease in rig.leases:
        with suppress(RuntimeError):  # closed already
            lease.close()


async def test_acquire_free_lease_is_ours_at_once(rig: Rig) -> None:
    lease, store = rig.lease(1_007)

    assert await lease.acquire() == lease.epoch == 1_007
    assert store.calls == [("take", 0.1)]


async def test_acquire_stands_by_until_it_is_free(rig: Rig) -> None:
    lease, store = rig.lease(None, None, None, 1_007)

    assert await lease.acquire() == 1_007
    assert store.names == ["take"] * 4


async def test_acquire_without_the_database_begins_by_the_clock(rig: Rig) -> None:
    lease, _ = rig.lease(AWAY)

    assert await lease.acquire() == 1_000


async def test_acquire_standby_outlasts_the_database_and_lets_the_holder_find_back(
    rig: Rig,
) -> None:
    lease, store = rig.lease(None, AWAY, AWAY, None, None, None, 1_007)

    assert await lease.acquire() == 1_007
    assert [given for _, given in store.calls[:5]] == [0.1, 0.1, None, None, None]
    waits = asyncio.create_task(rig.lease(None, AWAY, None)[0].acquire())
    done, _ = await asyncio.wait({waits}, timeout=0.5)
    assert not done
    waits.cancel()


async def test_keep_renews_and_goes_on_while_the_database_is_away(rig: Rig) -> None:
    lease, store = rig.lease(1_007, True, AWAY, AWAY, True, False)
    await lease.acquire()

    with pytest.raises(LeaseLost, match="another process is the active feed of fake"):
        await lease.keep()

    assert store.calls[1:] == [("renew", 1_007)] * 5


async def test_keep_adopts_what_was_begun_without_the_lease(rig: Rig) -> None:
    lease, store = rig.lease(AWAY, AWAY, True, True, False)
    await lease.acquire()

    with pytest.raises(LeaseLost):
        await lease.keep()

    assert store.names == ["take", "adopt", "adopt", "renew", "renew"]


async def test_keep_gives_way_to_who_began_later_without_the_lease(rig: Rig) -> None:
    lease, store = rig.lease(AWAY, False)
    await lease.acquire()

    with pytest.raises(LeaseLost):
        await lease.keep()

    assert store.names == ["take", "adopt"]


async def test_keep_broker_unknown_to_the_database_goes_on(rig: Rig) -> None:
    unknown = django.db.IntegrityError("no such broker")
    lease, store = rig.lease(unknown)
    await lease.acquire()

    keeping = asyncio.create_task(lease.keep())
    await until(lambda: len(store.calls) > 3)

    assert not keeping.done()
    keeping.cancel()


async def test_keep_ends_when_the_recorder_was_superseded(rig: Rig) -> None:
    lease, _ = rig.lease(1_007, True, expiry_s=100.0)
    await lease.acquire()
    keeping = asyncio.create_task(lease.keep())

    lease.give_up()

    with pytest.raises(LeaseLost):
        await keeping


async def test_release_without_the_database_ends(rig: Rig) -> None:
    lease, store = rig.lease(1_007, AWAY)
    await lease.acquire()

    await lease.release()

    assert store.names[:2] == ["take", "release"]


async def test_take_turns_lost_lease_ends_the_turn_and_stands_by_again(
    rig: Rig,
) -> None:
    lease, store = rig.lease(1_007, False, None, None, 1_009, True)
    stop = asyncio.Event()
    turns: list[int] = []

    async def turn(epoch: int, over: asyncio.Event) -> bool:
        turns.append(epoch)
        if len(turns) == 2:
            stop.set()
        await over.wait()
        return len(turns) == 2

    assert await take_turns(lease, turn, stop) is True
    assert turns == [1_007, 1_009]
    assert "release" in store.names


async def test_take_turns_stop_while_standing_by(rig: Rig) -> None:
    lease, store = rig.lease(None)
    stop = asyncio.Event()

    async def turn(epoch: int, over: asyncio.Event) -> bool:
        raise AssertionError("not ours")

    task = asyncio.create_task(take_turns(lease, turn, stop))
    await until(lambda: len(store.calls) > 2)
    stop.set()

    assert await task is True
    assert "release" in store.names  # the last look may have got it


async def test_take_turns_feed_that_fails_hands_over(rig: Rig) -> None:
    lease, store = rig.lease(1_007, True)

    async def turn(epoch: int, over: asyncio.Event) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await take_turns(lease, turn, asyncio.Event())

    assert "release" in store.names
