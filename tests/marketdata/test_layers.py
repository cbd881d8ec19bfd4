import asyncio

from django.conf import settings
from redis.asyncio import Redis

from tests.marketdata.polling import until


async def test_group_send_reaches_a_channel_like_any_layer(layer):
    channel = await layer.new_channel()
    await layer.group_add("md.tick.x.y", channel)

    await layer.group_send("md.tick.x.y", {"type": "some.thing", "n": 1})

    assert await asyncio.wait_for(layer.receive(channel), 60) == {
        "type": "some.thing",
        "n": 1,
    }


async def test_group_send_many_keeps_order_within_and_across_groups(layer):
    got = []
    await layer.listen("a", got.append)
    await layer.listen("b", got.append)

    messages = [("a" if n % 3 else "b", {"type": "t", "n": n}) for n in range(200)]
    await layer.group_send_many(messages)

    await until(lambda: len(got) == 200)
    assert [message["n"] for message in got] == list(range(200))


async def test_listen_returns_after_redis_confirmed(layer, redis, prefix):
    await layer.listen("a", lambda message: None)

    counts = await redis.pubsub_numsub(f"{prefix}__group__a")
    assert counts == [(f"{prefix}__group__a".encode(), 1)]


async def test_stop_listening_leaves_the_group(layer, redis, prefix):
    name = f"{prefix}__group__a"
    await layer.listen("a", lambda message: None)

    await layer.stop_listening("a")

    assert await redis.pubsub_numsub(name) == [(name.encode(), 0)]


async def test_listen_again_after_stop_listening_hears_again(layer):
    got = []
    await layer.listen("a", got.append)
    await layer.stop_listening("a")

    await layer.listen("a", got.append)
    await layer.group_send("a", {"type": "t"})

    await until(lambda: got == [{"type": "t"}])


async def test_listener_and_channel_in_one_group_both_get_messages(layer):
    got = []
    channel = await layer.new_channel()
    await layer.group_add("a", channel)
    await layer.listen("a", got.append)
    await layer.group_discard("a", channel)

    await layer.group_send("a", {"type": "t", "n": 1})

    await until(lambda: got == [{"type": "t", "n": 1}])


async def test_failing_listener_does_not_stop_others(layer):
    got = []
    await layer.listen("bad", lambda message: 1 / 0)
    await layer.listen("good", got.append)

    await layer.group_send("bad", {"type": "t"})
    await layer.group_send("good", {"type": "t"})

    await until(lambda: len(got) == 1)


async def test_deferred_is_called_once_all_that_was_read_has_been_heard(layer):
    heard = []

    def listen(message):
        if not heard:
            layer.defer(lambda: heard.append("end"))
        heard.append(message["n"])

    await layer.listen("a", listen)
    await layer.group_send_many([("a", {"type": "t", "n": n}) for n in range(3)])

    await until(lambda: "end" in heard)
    assert heard == [0, 1, 2, "end"]


async def test_deferred_outside_of_a_read_is_called_soon(layer):
    called = asyncio.Event()

    layer.defer(called.set)

    await asyncio.wait_for(called.wait(), 60)


async def test_layers_of_two_prefixes_do_not_hear_each_other(layer, make_layer):
    got, other_got = [], []
    other = make_layer("other")
    await layer.listen("a", got.append)
    await other.listen("a", other_got.append)

    await layer.group_send("a", {"type": "t"})

    await until(lambda: len(got) == 1)
    assert other_got == []


async def test_lost_connection_is_subscribed_again(layer, redis):
    got = []
    await layer.listen("a", got.append)

    await redis.client_kill_filter(_id=await _reader_id(layer))
    await until(lambda: layer.reconnects() == 1)
    await layer.group_send("a", {"type": "t"})

    await until(lambda: got == [{"type": "t"}])


async def test_encrypted_layer_still_works(make_layer):
    layer = make_layer("secret", symmetric_encryption_keys=["key"])
    got = []
    await layer.listen("a", got.append)

    await layer.group_send_many([("a", {"type": "t"})])

    await until(lambda: got == [{"type": "t"}])


async def _reader_id(layer) -> int:
    """Id that Redis gave the connection on which the layer listens."""
    transport = layer._shards[0].subscriber._pipe._transport
    host, port = transport.get_extra_info("sockname")[:2]
    async with Redis.from_url(settings.REDIS_URL) as client:
        clients = await client.client_list(_type="pubsub")
    return next(item["id"] for item in clients if item["addr"] == f"{host}:{port}")
