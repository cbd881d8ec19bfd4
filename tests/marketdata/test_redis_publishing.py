import asyncio

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from marketdata import redis_publishing
from marketdata.redis_pipe import redis_pool
from marketdata.redis_publishing import PublishingPipe

PAYLOAD = b"x" * 100


@pytest.fixture
async def publishing(private_redis):
    """A publishing pipe to a Redis that may be paused."""
    pipe = PublishingPipe(lambda: redis_pool(private_redis.url))
    yield pipe
    pipe.close()


def messages(*names):
    return [(name, PAYLOAD) for name in names]


async def test_batches_of_two_tasks_are_on_their_way_together(
    private_redis, publishing
):
    await publishing.publish(messages("warm"))
    private_redis.pause()
    tasks = [
        asyncio.create_task(publishing.publish(messages("a", "b"))),
        asyncio.create_task(publishing.publish(messages("c"))),
    ]
    await asyncio.sleep(0)  # both are written

    private_redis.go_on()

    await asyncio.wait_for(asyncio.gather(*tasks), 60)
    async with Redis.from_url(private_redis.url) as client:
        assert (await client.info("commandstats"))["cmdstat_publish"]["calls"] == 4


async def test_redis_that_does_not_answer_fails_all_that_wait(
    private_redis, publishing, monkeypatch
):
    await publishing.publish(messages("warm"))
    monkeypatch.setattr(redis_publishing, "PUBLISH_TIMEOUT_S", 0.05)
    private_redis.pause()

    results = await asyncio.gather(
        publishing.publish(messages("a")),
        publishing.publish(messages("b")),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [TimeoutError, TimeoutError]
    monkeypatch.undo()
    private_redis.go_on()
    await asyncio.wait_for(publishing.publish(messages("c")), 60)


async def test_batch_that_is_cancelled_takes_no_reply_of_the_next(
    private_redis, publishing
):
    await publishing.publish(messages("warm"))
    private_redis.pause()
    task = asyncio.create_task(publishing.publish(messages("a", "b")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    private_redis.go_on()

    await asyncio.wait_for(publishing.publish(messages("c")), 60)


async def test_killed_redis_fails_what_waits_and_the_next_connects_again(
    private_redis, publishing
):
    await publishing.publish(messages("warm"))
    private_redis.pause()
    task = asyncio.create_task(publishing.publish(messages("a")))
    await asyncio.sleep(0)
    private_redis.kill()

    with pytest.raises(RedisConnectionError):
        await asyncio.wait_for(task, 60)
    private_redis.start()
    await asyncio.wait_for(publishing.publish(messages("b")), 60)
