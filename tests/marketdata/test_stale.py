"""What a client is shown while nobody says where its topics are."""

import asyncio
import json
import random

from marketdata.effects import Follow
from marketdata.frames.unified import UNIFIED_ENCODING as UNIFIED
from marketdata.hub import Hub, HubSettings
from marketdata.numbering import pack
from marketdata.past import NoStore, Past
from marketdata.records import Kind
from marketdata.stale import stale_snapshots
from marketdata.topics import Topic
from tests.marketdata.hub_fakes import FakeLayer, state
from tests.marketdata.resume_world import MemoryStore
from tests.marketdata.samples import catalog, tick

TICKS = Topic(Kind.TICK, "binance", "BTCUSDT")
FOLLOW = Follow(TICKS, UNIFIED, snapshot=True)


class Hanging(NoStore):
    """A database that does not answer."""

    async def newest(self, topic, upto):
        await asyncio.sleep(60)


def store_of(*seqs):
    store = MemoryStore(random.Random(1))
    for number, seq in enumerate(seqs):
        store.add(tick(number), seq)
    return store


async def ask(store, follow=FOLLOW, *, states=None):
    layer = FakeLayer()
    layer.states = states or {}
    hub = Hub(layer, catalog("binance"), control=layer, settings=HubSettings())
    await hub.prepare([follow.topic])
    found = await stale_snapshots(hub, Past(store), [follow], timeout_s=0.05)
    await hub.close()
    return {pair: json.loads(frame) for pair, frame in found.items()}


async def test_topic_of_no_feed_shows_its_last_stored_record():
    found = await ask(store_of(pack(7, 1), pack(7, 2)))

    frame = found[TICKS, UNIFIED]
    assert (frame["phase"], frame["state"]) == ("snapshot", "stale")
    assert (frame["seq"], frame["epoch"]) == (2, "7")
    assert frame["data"]["data"]["bid"] == tick(1).bid


async def test_topic_whose_feed_answers_needs_no_store():
    store = store_of(pack(7, 1))

    assert await ask(store, states={TICKS: state(7, 3, last=tick(2))}) == {}
    assert store.queries == []


async def test_who_wants_no_snapshot_or_a_past_gets_none():
    store = store_of(pack(7, 1))

    assert await ask(store, Follow(TICKS, UNIFIED, snapshot=False)) == {}
    assert await ask(store, Follow(TICKS, UNIFIED, snapshot=True, since=1)) == {}
    assert store.queries == []


async def test_books_and_candles_are_not_looked_for():
    books = Topic(Kind.ORDERBOOK, "binance", "BTCUSDT")

    assert await ask(store_of(pack(7, 1)), Follow(books, UNIFIED, snapshot=True)) == {}


async def test_imported_record_is_history_and_no_snapshot():
    assert await ask(store_of(pack(0, 1))) == {}


async def test_store_that_is_away_or_slow_leaves_the_client_without():
    away = store_of(pack(7, 1))
    away.is_away = True

    for store in (away, NoStore(), Hanging(), store_of()):
        assert await ask(store) == {}
