import random

import pytest

from brokers.replay import history as module
from brokers.replay.history import HistoryLines
from marketdata.exceptions import HistoryUnavailable
from marketdata.records import Kind, Tick
from marketdata.stored_records import Stored, Wanted
from marketdata.topics import Topic
from tests.brokers.fakes import tick

EUR, GBP = (Topic(Kind.TICK, "oanda", symbol) for symbol in ("EURUSD", "GBPUSD"))


class FakePages:
    """Stored ticks by topic; can be away."""

    def __init__(self, **times: list[int]) -> None:
        self.rows = {
            Topic(Kind.TICK, "oanda", symbol): [
                Stored(tick(symbol=symbol, time_us=time_us), seq)
                for seq, time_us in enumerate(sorted(found))
            ]
            for symbol, found in times.items()
        }
        self.pages = 0
        self.is_away = False

    async def page(self, topic: Topic, wanted: Wanted) -> list[Stored]:
        if self.is_away:
            raise HistoryUnavailable("away")
        self.pages += 1
        found = [
            row
            for row in self.rows.get(topic, [])
            if wanted.start_us <= row.record.time_us <= wanted.end_us
            and (wanted.after is None or row.place > wanted.after)
        ]
        return found[: wanted.limit]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows to a page."""
    monkeypatch.setattr(module, "PAGE_ROWS", 3)


async def take_all(lines: HistoryLines, limit: int = 4) -> list[Tick]:
    taken: list[Tick] = []
    while await lines.next_us() is not None:
        taken += await lines.take(float("inf"), limit)
    return taken


async def test_take_merges_topics_by_time_over_many_pages() -> None:
    rng = random.Random(7)
    times = {
        symbol: [rng.randrange(100) for _ in range(50)]
        for symbol in ("EURUSD", "GBPUSD")
    }
    lines = HistoryLines(FakePages(**times), 10, 90)
    lines.set_topics({EUR, GBP})

    taken = await take_all(lines)

    for symbol, found in times.items():
        expected = sorted(time_us for time_us in found if 10 <= time_us <= 90)
        assert [row.time_us for row in taken if row.symbol == symbol] == expected
    assert [row.time_us for row in taken] == sorted(row.time_us for row in taken)
    assert lines.reached_us == max(row.time_us for row in taken)


async def test_take_stops_at_the_time_that_is_due() -> None:
    lines = HistoryLines(FakePages(EURUSD=[1, 2, 3]), 0, 9)
    lines.set_topics({EUR})

    assert [row.time_us for row in await lines.take(2, 10)] == [1, 2]
    assert await lines.next_us() == 3


async def test_set_topics_new_topic_begins_where_the_others_are() -> None:
    lines = HistoryLines(FakePages(EURUSD=[1, 5, 9], GBPUSD=[2, 5, 6]), 0, 9)
    lines.set_topics({EUR})
    await lines.take(5, 10)

    lines.set_topics({EUR, GBP})
    both = await take_all(lines)
    lines.set_topics({GBP})

    assert [(row.symbol, row.time_us) for row in both] == [
        ("GBPUSD", 5),
        ("GBPUSD", 6),
        ("EURUSD", 9),
    ]
    assert await lines.next_us() is None


async def test_take_after_the_database_was_away_goes_on() -> None:
    pages = FakePages(EURUSD=[1, 2, 3, 4, 5])
    lines = HistoryLines(pages, 0, 9)
    lines.set_topics({EUR})

    taken = await lines.take(9, 10)
    pages.is_away = True
    with pytest.raises(HistoryUnavailable):
        await lines.take(9, 10)
    pages.is_away = False
    taken += await lines.take(9, 10)

    assert [row.time_us for row in taken] == [1, 2, 3, 4, 5]
