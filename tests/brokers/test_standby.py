"""Two `run_feed` of one broker: one is active, the other takes over."""

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.db import connections

from history.models import Series, Tick
from marketdata.layer_messages import beat_group, decode_message
from marketdata.numbering import unpack
from tests.brokers.processes import Managed, manage
from tests.brokers.test_run_feeds import is_running
from tests.marketdata.polling import STALL_S, until

pytestmark = pytest.mark.django_db(transaction=True)

EXPIRY_S = 2.0


def settings(prefix: str, expiry_s: float = EXPIRY_S) -> dict[str, str]:
    return {
        "CHANNEL_PREFIX": prefix,
        "LEASE_EXPIRY_S": str(expiry_s),
        "RECORDER_FLUSH_S": "0.1",
        "SIMULATED_RATE": "20",
    }


def epochs(managed: Managed) -> list[int]:
    """Return the epochs of the process's turns."""
    return [
        int(found)
        for found in re.findall(r"active one .*epoch=(\d+)", plain(managed.log))
    ]


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.fixture
def expiry_s() -> float:
    """How long the lease lasts that is not renewed."""
    return EXPIRY_S


@pytest.fixture
async def pair(
    instruments: int, prefix: str, expiry_s: float
) -> AsyncIterator[tuple[Managed, Managed]]:
    """An active feed that is live, and a standby that says so."""
    given = settings(prefix, expiry_s)
    async with manage("run_feed", "simulated", **given) as active:
        await until(lambda: "feed live" in active.log)
        async with manage("run_feed", "simulated", **given) as standby:
            await until(lambda: "stands by" in standby.log)
            yield active, standby


def stored_epochs() -> list[int]:
    """Return the epochs of the stored ticks in the order of their times."""
    try:
        series = Series.objects.filter(instrument__symbol="EURUSD")
        rows = Tick.objects.filter(series_id__in=series).order_by("time", "seq")
        return [unpack(row.seq)[0] for row in rows]
    finally:
        connections.close_all()


async def test_killed_feed_is_replaced_within_the_expiry(
    pair: tuple[Managed, Managed], make_layer: Any
) -> None:
    active, standby = pair
    beats: list[Any] = []
    await make_layer().listen(
        beat_group("simulated"), lambda item: beats.append(decode_message(item))
    )
    await until(lambda: beats)

    active.process.kill()
    killed_s = time.monotonic()
    await until(lambda: "feed live" in standby.log)
    took_s = time.monotonic() - killed_s
    (first,), (second,) = epochs(active), epochs(standby)
    await until(lambda: beats[-1].epoch == second)
    async with asyncio.timeout(60):
        while second not in await asyncio.to_thread(stored_epochs):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await standby.stop() == 0, standby.log

    # The expiry, a look of the standby, and what a busy machine needs to begin.
    assert EXPIRY_S * 0.8 - 0.1 <= took_s <= EXPIRY_S + 2 + STALL_S
    assert second > first
    found = await asyncio.to_thread(stored_epochs)
    assert set(found) == {first, second}, standby.log
    assert found == sorted(found)


@pytest.mark.parametrize("expiry_s", [5 * EXPIRY_S])
async def test_stopped_feed_hands_over_at_once(
    pair: tuple[Managed, Managed], expiry_s: float
) -> None:
    active, standby = pair

    assert await active.stop() == 0, active.log
    stopped_s = time.monotonic()
    await until(lambda: "feed live" in standby.log)
    took_s = time.monotonic() - stopped_s
    assert await standby.stop() == 0, standby.log

    assert took_s < expiry_s * 0.7
    assert epochs(standby) > epochs(active)
    assert standby.log.count("stands by") == 1


async def test_feed_that_lost_its_lease_stops_and_stands_by(
    pair: tuple[Managed, Managed],
) -> None:
    active, standby = pair

    active.process.send_signal(signal.SIGSTOP)  # as a machine that swaps
    await until(lambda: "feed live" in standby.log)
    active.process.send_signal(signal.SIGCONT)
    await until(lambda: "feed ends its turn" in active.log)
    await until(lambda: active.log.count("stands by") == 1)
    assert active.log.count("feed stopped") == 1
    assert await standby.stop() == 0, standby.log
    await until(lambda: len(epochs(active)) == 2)
    assert await active.stop() == 0, active.log

    assert epochs(active)[0] < epochs(standby)[0] < epochs(active)[1]
    found = await asyncio.to_thread(stored_epochs)
    assert found == sorted(found)


async def test_standby_stops(pair: tuple[Managed, Managed]) -> None:
    active, standby = pair

    assert await standby.stop() == 0, standby.log
    assert is_running(active.process.pid)
    assert "feed live" not in standby.log
