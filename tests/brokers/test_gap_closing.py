import asyncio

import django.db
import pytest

from brokers import gap_closing as module
from brokers.gap_closing import GapCloser
from history.feed_gaps import FilledSpan
from tests.marketdata.polling import until


class FakeStore:
    """Says that a gap is closed at the third look; can be away."""

    def __init__(self) -> None:
        self.asked: list[list[FilledSpan]] = []
        self.is_away = True
        self.tried = 0

    async def close_filled(self, spans: list[FilledSpan]) -> int:
        self.tried += 1
        if self.is_away:
            raise django.db.OperationalError("away")
        self.asked.append(spans)
        return int(len(self.asked) == 3)


async def test_looks_so_often_once_the_database_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.001)
    monkeypatch.setattr(module, "LOOKS", 5)
    store = FakeStore()
    closer = GapCloser("fake", store)
    task = asyncio.create_task(closer.run())

    closer.fill("EURUSD", 3, 9)
    await until(lambda: store.tried > 6)
    store.is_away = False
    await until(lambda: len(store.asked) == 5)
    tried = store.tried
    await asyncio.sleep(0.02)

    assert store.tried == tried
    assert store.asked == [[FilledSpan("EURUSD", 3, 9)]] * 5
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
