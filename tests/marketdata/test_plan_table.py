import asyncio
import threading

import pytest

from marketdata import plan_table
from marketdata.clients import Plan
from marketdata.plan_table import PlanTable
from tests.marketdata.polling import until

PRO = Plan(name="pro", subscriptions=500)


class Select:
    """Returns `plans`, or raises `error`; waits for `gate`."""

    def __init__(self) -> None:
        self.plans = {"pro": PRO}
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.count = 0

    def __call__(self):
        self.count += 1
        assert self.gate.wait(60)
        if self.error is not None:
            raise self.error
        return self.plans


@pytest.fixture
def select():
    """Reads plans and counts it."""
    select = Select()
    yield select
    select.gate.set()


async def test_ready_reads_once(select):
    table = PlanTable(select)
    assert not table.has_loaded

    await asyncio.gather(*(table.ready() for _ in range(100)))
    await table.ready()

    assert (table.has_loaded, table.is_complete) == (True, True)
    assert table.plans == {"pro": PRO}
    assert select.count == 1


async def test_refresh_of_old_plans_serves_them_meanwhile(select, monkeypatch):
    monkeypatch.setattr(plan_table, "KEPT_S", 0.0)
    table = PlanTable(select)
    await table.ready()
    select.gate.clear()
    select.plans = {}

    table.refresh_if_due()
    await until(lambda: select.count == 2)
    assert table.plans == {"pro": PRO}

    select.gate.set()
    await until(lambda: table.plans == {})


async def test_plans_go_on_while_the_database_is_away(select, monkeypatch):
    monkeypatch.setattr(plan_table, "KEPT_S", 0.0)
    table = PlanTable(select)
    await table.ready()
    select.error = ConnectionError("away")

    table.refresh_if_due()
    await until(lambda: not table.is_complete)

    assert table.plans == {"pro": PRO}
    before = asyncio.all_tasks()
    table.refresh_if_due()
    assert asyncio.all_tasks() == before, "tried again at once"


async def test_ready_ends_when_the_database_is_away_from_the_start(select):
    select.error = ConnectionError("away")
    table = PlanTable(select)

    await table.ready()

    assert (table.has_loaded, table.is_complete, table.plans) == (True, False, {})


async def test_ready_waits_a_bounded_time(select, monkeypatch):
    monkeypatch.setattr(plan_table, "FIRST_TIMEOUT_S", 0.05)
    select.gate.clear()
    table = PlanTable(select)

    await table.ready()

    assert (table.has_loaded, table.plans) == (True, {})
    select.gate.set()
    await until(lambda: table.plans)


async def test_find_looks_again_for_a_plan_that_is_not_known(select, monkeypatch):
    monkeypatch.setattr(plan_table, "RETRY_S", 0.0)
    table = PlanTable(select)
    assert await table.find("pro") == PRO
    assert await table.find("pro") == PRO
    assert select.count == 1

    select.plans = {"pro": PRO, "new": Plan(name="new")}

    assert await table.find("new") == Plan(name="new")
    assert select.count == 2


async def test_find_looks_seldom_for_a_plan_that_does_not_exist(select):
    table = PlanTable(select)

    assert [await table.find("x") for _ in range(5)] == [None] * 5
    assert select.count == 1


async def test_without_a_database_no_plan_is_known_not_to_exist(select):
    select.plans = None
    table = PlanTable(select)

    assert await table.find("pro") is None
    assert not table.is_complete


def test_table_does_not_wait_for_a_loop_that_stands_still(select):
    table = PlanTable(select)
    first = asyncio.new_event_loop()

    async def begin() -> None:
        table.refresh_if_due()

    try:
        first.run_until_complete(begin())
        asyncio.run(table.ready())
        assert table.plans == {"pro": PRO}
        first.run_until_complete(asyncio.sleep(0.05))  # for its own reading to end
    finally:
        first.close()


async def test_close_stops_a_reading(select):
    table = PlanTable(select)
    table.refresh_if_due()

    await table.close()
    await table.close()

    assert table.plans == {}
