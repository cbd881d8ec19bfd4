import asyncio

import pytest

from marketdata.effects import Follow
from marketdata.frames.unified import UNIFIED_ENCODING as UNIFIED
from marketdata.hub import Hub, HubSettings
from marketdata.layers import MarketDataChannelLayer
from marketdata.publisher import Publisher
from tests.marketdata.hub_fakes import RecordingSink
from tests.marketdata.polling import until
from tests.marketdata.samples import TRADE, catalog, tick
from tests.marketdata.test_hub import TICKS, TRADES


@pytest.fixture
async def layers(private_redis):
    """A layer to publish with and one to listen with."""
    layers = [MarketDataChannelLayer(hosts=[private_redis.url]) for _ in range(2)]
    yield layers
    for layer in layers:
        await layer.flush()


async def test_stream_goes_on_by_itself_after_redis_was_killed(private_redis, layers):
    publisher = Publisher(layers[0], epoch=7)
    settings = HubSettings(grace_s=0.01, feed_silent_s=60)
    hub = Hub(layers[1], catalog("binance"), control=layers[1], settings=settings)
    sink, trades = RecordingSink(), RecordingSink()
    await hub.prepare([TICKS])
    hub.attach(Follow(TICKS, UNIFIED), sink)
    publisher.publish([tick(0)])
    await until(lambda: sink.numbers == [1])

    private_redis.kill()
    publisher.publish([tick(1), tick(2)])
    await hub.prepare([TRADES])
    hub.attach(Follow(TRADES, UNIFIED), trades)
    await until(lambda: publisher.counters.failed_flushes)
    await asyncio.to_thread(private_redis.start)
    # The topic and the beats of its broker.
    await until(lambda: layers[1].reconnects() == 2)
    publisher.publish([tick(3)])

    # What was published before the hub was back is a hole that the numbers show.
    await until(lambda: sink.numbers[-1] == 4)
    assert sink.numbers == sorted(set(sink.numbers))
    assert len(sink.numbers) + hub.counters.lost == 4
    # And a group that was asked for while Redis was away has been joined.
    await until(lambda: publisher.publish([TRADE]) and trades.numbers)
    assert await publisher.drain()
    await hub.close()
