"""`run_feed` with its database away, and killed: what it took is stored."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from history.models import Tick
from marketdata.numbering import unpack
from marketdata.records import Kind
from tests.brokers.processes import database_url, manage
from tests.brokers.replay_server import ReplayServer
from tests.brokers.test_run_feed import Subscriber, binance, stored, until_stored
from tests.cuttable_proxy import CuttableProxy, cuttable
from tests.marketdata.polling import until

pytestmark = pytest.mark.django_db(transaction=True)

SYMBOLS = ("XMRBTC", "BTCUSDT")


@pytest.fixture
async def database() -> AsyncIterator[CuttableProxy]:
    """A way to the database that can be cut."""
    address = urlsplit(database_url())
    async with cuttable(address.hostname, address.port) as proxy:
        yield proxy


def settings_for(
    server: ReplayServer, prefix: str, database: CuttableProxy, journal: Path
) -> dict[str, str]:
    address = urlsplit(database_url())
    login, _, _ = address.netloc.rpartition("@")
    netloc = f"{login}@127.0.0.1:{database.port}"
    return binance(server, prefix) | {
        "DATABASE_URL": urlunsplit(address._replace(netloc=netloc)),
        "JOURNAL_DIR": str(journal),
    }


def frames(first: int, last: int) -> list[str]:
    """Return book tickers whose bids are these numbers, in turn over the symbols."""
    return [
        json.dumps(
            {
                "stream": f"{symbol.lower()}@bookTicker",
                "data": {
                    "u": number, "s": symbol, "b": f"{number}.00", "B": "3.2",
                    "a": f"{number}.50", "A": "0.75",
                },
            }
        )
        for number in range(first, last + 1)
        for symbol in SYMBOLS
    ]  # fmt: skip


async def rows(symbol: str) -> list[tuple[int, int, float]]:
    """Return (epoch, number, bid) of the stored ticks, in order."""
    found = await asyncio.to_thread(stored, Tick, symbol)
    return [(*unpack(row.seq), row.bid) for row in found]


async def test_run_feed_killed_while_the_database_is_away_loses_nothing(
    instruments: int, server: ReplayServer, make_layer, prefix: str, tmp_path: Path,
    database: CuttableProxy,
) -> None:  # fmt: skip
    subscriber = Subscriber(make_layer())
    await subscriber.listen(SYMBOLS)
    settings = settings_for(server, prefix, database, tmp_path)

    async with manage("run_feed", "binance", **settings) as feed:
        await until(lambda: server.requests)
        await server.play(frames(1, 100))
        await until_stored(Tick, SYMBOLS[-1], 100)
        database.cut()
        await server.play(frames(101, 300))
        await until(lambda: subscriber.count() == 600)
        await feed.stop(signal.SIGKILL)
    kept = await rows("XMRBTC")
    database.restore()
    async with manage("run_feed", "binance", **settings) as feed:
        await until(lambda: len(server.requests) == 2)
        replayed = [await rows(symbol) for symbol in SYMBOLS]
        await server.play(frames(301, 310))
        await until_stored(Tick, SYMBOLS[-1], 310)
        assert await feed.stop() == 0, feed.log

    assert len(kept) < 300
    assert [[item[1:] for item in each] for each in replayed] == [
        [(number, float(number)) for number in range(1, 301)]
    ] * 2
    assert len({epoch for each in replayed for epoch, _, _ in each}) == 1
    for symbol in SYMBOLS:
        newest = (await rows(symbol))[300:]
        assert [item[1:] for item in newest] == [(n, 300.0 + n) for n in range(1, 11)]
        assert newest[0][0] > replayed[0][0][0]
    assert "journal of a dead process stored" in feed.log
    assert list((tmp_path / "binance").iterdir()) == []  # noqa: ASYNC240


async def test_run_feed_without_database_holds_on_disk_what_memory_does_not(
    instruments: int, server: ReplayServer, make_layer, prefix: str, tmp_path: Path,
    database: CuttableProxy,
) -> None:  # fmt: skip
    subscriber = Subscriber(make_layer())
    await subscriber.listen(SYMBOLS)
    settings = settings_for(server, prefix, database, tmp_path)

    async with manage(
        "run_feed", "binance", **settings | {"RECORDER_MAX_ROWS": "50"}
    ) as feed:
        await until(lambda: server.requests)
        database.cut()
        await server.play(frames(1, 200))
        await until(lambda: subscriber.count() == 400)
        await until(lambda: "flush failed" in feed.log)
        database.restore()
        await server.play(frames(201, 210))
        await until_stored(Tick, SYMBOLS[-1], 210)
        assert await feed.stop() == 0, feed.log

    for symbol in SYMBOLS:
        found = [item[1:] for item in await rows(symbol)]
        assert found == [(number, float(number)) for number in range(1, 211)]
    assert "unstored=0" in feed.log
    assert Kind.TICK in {kind for kind, _ in subscriber.batches}
    assert list((tmp_path / "binance").iterdir()) == []  # noqa: ASYNC240
