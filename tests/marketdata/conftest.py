"""Fixtures that need Redis: layers with a prefix of their own, a plain client."""

from uuid import uuid4

import pytest
from django.conf import settings
from redis.asyncio import Redis

from marketdata.layers import MarketDataChannelLayer
from tests.marketdata.private_redis import PrivateRedis, find_program


@pytest.fixture
def prefix() -> str:
    """A channel prefix that no other test uses."""
    return f"{settings.CHANNEL_PREFIX}-{uuid4().hex[:8]}"


@pytest.fixture
async def redis():
    """A plain client of the same Redis."""
    client = Redis.from_url(settings.REDIS_URL)
    yield client
    await client.aclose()


@pytest.fixture
async def make_layer(prefix):
    """A function that makes layers, each with the prefix and a suffix."""
    layers = []

    def make(suffix: str = "", **options: object) -> MarketDataChannelLayer:
        layers.append(
            MarketDataChannelLayer(
                hosts=[settings.REDIS_URL], prefix=prefix + suffix, **options
            )
        )
        return layers[-1]

    yield make
    for layer in layers:
        await layer.flush()


@pytest.fixture
def layer(make_layer) -> MarketDataChannelLayer:
    """A layer on the real Redis."""
    return make_layer()


@pytest.fixture
def private_redis():
    """A Redis that is running and may be killed."""
    redis = PrivateRedis(find_program())
    redis.start()
    yield redis
    redis.kill()
