import random
from collections.abc import Sequence

import pytest

from brokers.oanda.unknown import MAX_HOPELESS, MAX_PROBES, find_unknown

NAMES = [f"C{n:02}" for n in range(40)]


class Broker:
    """Takes a request that names none of ``unknown``; counts requests."""

    def __init__(self, unknown: set[str]) -> None:
        self.unknown = unknown
        self.requests = 0

    async def is_taken(self, instruments: Sequence[str]) -> bool:
        self.requests += 1
        return not self.unknown.intersection(instruments)


@pytest.mark.parametrize("name", NAMES)
async def test_find_unknown_one_takes_at_most_two_requests_a_halving(name: str) -> None:
    broker = Broker({name})

    assert await find_unknown(NAMES, broker.is_taken) == {name}
    assert broker.requests <= 12


async def test_find_unknown_some_are_found_or_it_gives_up_in_bounds() -> None:
    chance = random.Random(1)

    for count in range(2, 6):
        for _ in range(50):
            broker = Broker(set(chance.sample(NAMES, count)))
            found = await find_unknown(NAMES, broker.is_taken)
            assert found in (broker.unknown, set())
            assert broker.requests <= MAX_PROBES


async def test_find_unknown_all_refused_gives_up() -> None:
    broker = Broker({*NAMES})

    assert await find_unknown(NAMES, broker.is_taken) == set()
    assert broker.requests == MAX_HOPELESS
