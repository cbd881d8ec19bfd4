"""The lease while the database is away from one process, or from all of them."""

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.brokers.processes import database_url, manage
from tests.brokers.test_standby import EXPIRY_S, epochs, settings, stored_epochs
from tests.cuttable_proxy import cuttable
from tests.marketdata.polling import until

pytestmark = pytest.mark.django_db(transaction=True)


async def test_active_feed_stays_active_while_the_database_is_away(
    instruments: int, prefix: str
) -> None:
    address = urlsplit(database_url())
    async with cuttable(address.hostname, address.port) as proxy:
        through = settings(prefix) | {"DATABASE_URL": via(proxy.port)}
        async with manage("run_feed", "simulated", **through) as active:
            await until(lambda: "feed live" in active.log, timeout_s=20)
            async with manage("run_feed", "simulated", **through) as standby:
                await until(lambda: "stands by" in standby.log, timeout_s=20)

                proxy.cut()
                for each in (active, standby):
                    await until(
                        lambda each=each: "lease cannot be looked at" in each.log,
                        timeout_s=20,
                    )
                await asyncio.sleep(1.5 * EXPIRY_S)  # the lease is expired by now
                proxy.restore()
                await asyncio.sleep(1.5 * EXPIRY_S)

                assert "feed is the active one" not in standby.log
                assert "feed ends its turn" not in active.log
                assert await active.stop() == 0, active.log
                await until(lambda: "feed live" in standby.log, timeout_s=20)
                assert await standby.stop() == 0, standby.log


async def test_feed_that_starts_without_the_database_streams_and_stores_later(
    instruments: int, prefix: str
) -> None:
    address = urlsplit(database_url())
    async with cuttable(address.hostname, address.port) as proxy:
        proxy.cut()
        through = settings(prefix) | {"DATABASE_URL": via(proxy.port)}
        through |= {"RECONNECT_MIN_S": "0.1", "CATALOG_REFRESH_S": "0.2"}
        async with manage("run_feed", "simulated", **through) as feed:
            await until(lambda: "feed is the active one" in feed.log, timeout_s=20)
            assert "started without the lease" in feed.log
            await until(lambda: "feed live" in feed.log, timeout_s=20)
            proxy.restore()
            async with asyncio.timeout(10):
                while not await asyncio.to_thread(stored_epochs):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert await feed.stop() == 0, feed.log

    assert "feed ends its turn" not in feed.log
    assert set(await asyncio.to_thread(stored_epochs)) == set(epochs(feed))


async def test_feed_cut_off_from_the_database_is_replaced_and_stands_by(
    instruments: int, prefix: str
) -> None:
    address = urlsplit(database_url())
    async with cuttable(address.hostname, address.port) as proxy:
        through = settings(prefix) | {"DATABASE_URL": via(proxy.port)}
        async with manage("run_feed", "simulated", **through) as cut_off:
            await until(lambda: "feed live" in cut_off.log, timeout_s=20)
            async with manage("run_feed", "simulated", **settings(prefix)) as standby:
                await until(lambda: "stands by" in standby.log, timeout_s=20)

                proxy.cut()
                await until(lambda: "feed live" in standby.log, timeout_s=20)
                proxy.restore()
                await until(lambda: "feed ends its turn" in cut_off.log, timeout_s=20)
                assert await standby.stop() == 0, standby.log
                await until(lambda: len(epochs(cut_off)) == 2, timeout_s=20)
                assert await cut_off.stop() == 0, cut_off.log

    assert epochs(cut_off)[0] < epochs(standby)[0] < epochs(cut_off)[1]
    # What it read while it was cut off is stored from its journal at its next turn.
    found = set(await asyncio.to_thread(stored_epochs))
    assert {epochs(cut_off)[0], *epochs(standby)} <= found


def via(port: int) -> str:
    """Return the test database's address through a port of this machine."""
    parts = urlsplit(database_url())
    user, _, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
