"""Sessions that start in the past, with a feed, a store and clients in one loop."""

import asyncio
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketdata import record_catch_up
from marketdata.effects import Resume
from marketdata.numbering import epoch_text
from tests.marketdata.resume_world import Client, World
from tests.marketdata.virtual_loop import run_virtual

JOINS = 500


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(record_catch_up, "PAGE_ROWS", 20)


@contextlib.asynccontextmanager
async def running(world):
    task = asyncio.create_task(world.run_background())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await world.close()


def check(world, client, since, *, is_ordered):
    """Everything that is owed came, once, in order."""
    owed = world.owed(since)
    assert sorted(client.seqs) == sorted(owed), (since, client.port.frames[:3])
    if is_ordered:
        assert client.seqs == owed
    assert not {"GAP", "PARTIAL_HISTORY"} & set(client.codes), str(client.notices)
    assert not client.has_overflown


async def live_through(world, joins, *, restarts=False, quiet=False, slow=False):
    """Publish at random while clients come, stay for a while, go, and come back."""
    rng, clients, left = world.rng, [], []
    world.publish()
    is_ordered = not world.disorder_us
    for step in range(joins):
        await asyncio.sleep(rng.choice((0.01, 0.1, 0.4)))
        for _ in range(rng.randint(0, 2)):
            world.publish(rng.randint(1, 4))
        if restarts and rng.random() < 0.05:
            world.stop_feed()
            await asyncio.sleep(rng.choice((0.0, 0.3, 2.0)))
            world.start_feed()
            world.beat()
        if quiet and rng.random() < 0.05:
            await asyncio.sleep(rng.choice((3, 30)))
        if left and rng.random() < 0.7:
            since = left.pop(rng.randrange(len(left)))
        else:
            seq, time_us = rng.choice(world.published[-150:])
            since = Resume(epoch_text(seq >> 32), seq & 0xFFFFFFFF)
            if rng.random() < 0.5 and is_ordered:
                since = time_us // 1_000 + 1
        client = Client(world, since, rng.choice((0, 100_000)) if slow else 0)
        await client.join()
        clients.append(client)
        if len(clients) > 10:
            gone = clients.pop(rng.randrange(10))
            if gone.is_catching_up and not is_ordered:
                await world.settle([gone])
            since = gone.since
            gone.leave()
            if gone.data:
                left.append(gone.resume)
                last = gone.seqs[-1]
                got, owed = gone.seqs, world.owed(since)
                if is_ordered:
                    assert got == [seq for seq in owed if seq <= last], since
                else:
                    assert len(set(got)) == len(got)
        if step % 50 == 0:
            await world.settle(clients)
            for client in clients:
                check(world, client, client.since, is_ordered=is_ordered)
    await world.settle(clients)
    for client in clients:
        check(world, client, client.since, is_ordered=is_ordered)


CASES = {
    "steady": ({}, {}),
    "quiet": ({}, {"quiet": True}),
    "restarts": ({}, {"restarts": True}),
    "restarts in a quiet market": ({}, {"restarts": True, "quiet": True}),
    "small ring": ({"ring_bytes": 3_000}, {"restarts": True}),
    "disorder": ({"disorder_us": 3_000_000}, {"restarts": True, "quiet": True}),
    "slow readers": ({"ring_bytes": 15_000}, {"slow": True, "restarts": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_joins_at_random_moments_lose_and_repeat_nothing(case):
    world_options, life = CASES[case]

    async def main():
        world = World(1, **world_options)
        async with running(world):
            await live_through(world, JOINS, **life)

    run_virtual(main())


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    ring_bytes=st.sampled_from((3_000, 30_000, 1 << 20)),
    disorder_us=st.sampled_from((0, 50_000, 20_000_000)),
    restarts=st.booleans(),
    quiet=st.booleans(),
    slow=st.booleans(),
)
def test_no_life_of_feed_and_clients_loses_or_repeats_a_record(
    seed, ring_bytes, disorder_us, **life
):
    async def main():
        world = World(seed, ring_bytes=ring_bytes, disorder_us=disorder_us)
        async with running(world):
            await live_through(world, 40, **life)

    run_virtual(main())
