"""Fixtures: instruments that other processes see, a server in Binance's place."""

from collections.abc import AsyncIterator

import pytest

from marketdata.instruments import load_instruments
from tests.brokers.replay_server import ReplayServer
from tests.marketdata.conftest import make_layer, prefix

__all__ = ["make_layer", "prefix"]


@pytest.fixture
def instruments(transactional_db: None) -> int:
    """The instruments that we ship, committed for other processes to see."""
    return load_instruments()


@pytest.fixture
async def server() -> AsyncIterator[ReplayServer]:
    """A server in Binance's place."""
    async with ReplayServer() as server:
        yield server
