import asyncio

import django.db
import pytest

from brokers import state_watch as module
from brokers.connection import FeedState
from brokers.exceptions import LeaseLost
from brokers.state_watch import StateWatch
from history.feed_states import FeedStateRow
from tests.marketdata.polling import until


class Rig:
    """A watch with a clock that stands still, and its store, which can fail."""

    def __init__(self) -> None:
        self.rows: list[FeedStateRow] = []
        self.error: Exception | None = None
        self.now_us = 10
        self.asked = 0  # while there was an error
        self.watch = StateWatch(self, now_us=lambda: self.now_us)

    async def keep_state(self, row: FeedStateRow) -> None:
        if self.error:
            self.asked += 1
            raise self.error
        self.rows.append(row)


@pytest.fixture
async def rig():
    rig = Rig()
    task = asyncio.create_task(rig.watch.run())
    yield rig
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_states_are_stored_as_they_change(rig: Rig) -> None:
    await until(lambda: rig.rows)
    rig.now_us = 20
    rig.watch.enter(FeedState.LIVE)
    await until(lambda: len(rig.rows) == 2)
    rig.now_us = 30
    rig.watch.enter(FeedState.LOST)
    await until(lambda: len(rig.rows) == 3)
    rig.now_us = 40
    assert await rig.watch.drain()

    assert rig.rows[:4] == [
        FeedStateRow("starting", 10, 10, None),
        FeedStateRow("live", 20, 20, 20),
        FeedStateRow("lost", 30, 30, 30),
        FeedStateRow("stopped", 40, 40, 30),
    ]


async def test_state_that_lasts_is_stored_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEEP_S", 0.01)
    rig.watch.enter(FeedState.LIVE)
    await until(lambda: rig.rows)
    rig.now_us = 50

    await until(lambda: rig.rows[-1] == FeedStateRow("live", 10, 50, 50))


@pytest.mark.parametrize("error", [django.db.OperationalError("x"), LeaseLost("fake")])
async def test_store_that_fails_is_asked_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(module, "KEEP_S", 0.01)
    rig.error = error
    await until(lambda: rig.asked > 2)
    before = len(rig.rows)

    rig.error = None
    await until(lambda: len(rig.rows) > before)
