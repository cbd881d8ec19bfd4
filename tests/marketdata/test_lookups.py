import asyncio
import threading

import pytest

from marketdata import lookups
from marketdata.lookups import Lookups, LookupUnavailable
from tests.marketdata.polling import until


class Select:
    """Finds what is in `values`; waits for `gate`, raises `error` if there is one."""

    def __init__(self) -> None:
        self.values = {f"key{number}": number + 1 for number in range(10_000)}
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def __call__(self, keys):
        self.batches.append(list(keys))
        assert self.gate.wait(60)
        if self.error is not None:
            raise self.error
        return {key: self.values[key] for key in keys if key in self.values}


@pytest.fixture
def select():
    """A look-up that records what it is asked."""
    select = Select()
    yield select
    select.gate.set()


async def test_find_asks_once_for_what_it_found(select):
    found = Lookups(select)

    assert [await found.find("key0") for _ in range(3)] == [1, 1, 1]
    assert select.batches == [["key0"]]


async def test_find_asks_once_for_what_is_missing(select):
    found = Lookups(select)

    assert [await found.find("x") for _ in range(3)] == [None, None, None]
    assert select.batches == [["x"]]


async def test_find_asks_again_when_the_time_is_over(select, monkeypatch):
    monkeypatch.setattr(lookups, "FOUND_KEPT_S", 0.0)
    monkeypatch.setattr(lookups, "MISSING_KEPT_S", 0.0)
    found = Lookups(select)
    await found.find("key0")
    await found.find("x")
    select.values = {"x": 7}

    assert await found.find("key0") is None
    assert await found.find("x") == 7


async def test_find_of_many_asks_for_all_that_wait_at_once(select):
    select.gate.clear()
    found = Lookups(select)
    first = asyncio.create_task(found.find("key0"))
    await until(lambda: select.batches)

    others = [
        asyncio.create_task(found.find(f"key{number % 1200}")) for number in range(5000)
    ]
    await asyncio.sleep(0)
    select.gate.set()
    values = await asyncio.gather(first, *others)

    assert values[0] == 1
    assert values[1:] == [number % 1200 + 1 for number in range(5000)]
    # `key0` was under way, so the 1,199 others; none twice.
    assert [len(batch) for batch in select.batches] == [1, 500, 500, 199]


async def test_find_of_missing_keys_drives_no_found_ones_out(select, monkeypatch):
    monkeypatch.setattr(lookups, "MAX_KEPT", 10)
    found = Lookups(select)
    await found.find("key0")
    for number in range(50):
        await found.find(f"x{number}")

    await found.find("key0")

    assert select.batches.count(["key0"]) == 1


async def test_find_while_the_database_is_away_fails_and_pauses(select, monkeypatch):
    monkeypatch.setattr(lookups, "PAUSE_S", 0.05)
    select.error = ConnectionError("away")
    found = Lookups(select)

    results = await asyncio.gather(
        *(found.find(f"key{number}") for number in range(3)), return_exceptions=True
    )
    assert [type(item) for item in results] == [LookupUnavailable] * 3
    with pytest.raises(LookupUnavailable):
        await found.find("key9")
    assert len(select.batches) == 1

    select.error = None
    await asyncio.sleep(0.06)  # the pause itself is what is tested
    assert await found.find("key9") == 10


async def test_find_of_what_is_kept_goes_on_while_the_database_is_away(select):
    found = Lookups(select)
    await found.find("key0")
    select.error = ConnectionError("away")

    assert await found.find("key0") == 1


async def test_find_waits_for_a_database_that_hangs_a_bounded_time(select, monkeypatch):
    monkeypatch.setattr(lookups, "TIMEOUT_S", 0.05)
    select.gate.clear()
    found = Lookups(select)

    with pytest.raises(LookupUnavailable):
        await found.find("key0")

    select.gate.set()
    monkeypatch.setattr(lookups, "TIMEOUT_S", 5.0)
    assert await found.find("key0") == 1
    assert len(select.batches) == 1


async def test_find_refuses_when_too_many_wait(select, monkeypatch):
    monkeypatch.setattr(lookups, "MAX_WAITING", 2)
    select.gate.clear()
    found = Lookups(select)
    tasks = [asyncio.create_task(found.find("key0"))]
    await until(lambda: select.batches)
    tasks += [asyncio.create_task(found.find(f"key{number}")) for number in (1, 2)]
    await asyncio.sleep(0)

    with pytest.raises(LookupUnavailable):
        await found.find("key3")
    select.gate.set()

    assert await asyncio.gather(*tasks) == [1, 2, 3]


async def test_find_that_is_cancelled_leaves_the_others_waiting(select):
    select.gate.clear()
    found = Lookups(select)
    tasks = [asyncio.create_task(found.find("key0")) for _ in range(2)]
    await until(lambda: select.batches)

    tasks[0].cancel()
    select.gate.set()

    assert await tasks[1] == 1


def test_find_in_another_loop_does_not_wait_for_the_first(select):
    select.gate.clear()
    found = Lookups(select)

    async def leave() -> None:
        task = asyncio.create_task(found.find("key0"))
        await until(lambda: select.batches)
        task.cancel()
        select.gate.set()

    asyncio.run(leave())

    assert asyncio.run(found.find("key0")) == 1
