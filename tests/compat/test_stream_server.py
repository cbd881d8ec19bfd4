"""COMPAT checks 56 to 62: server B's clients, from outside."""

import asyncio
import json
import sys

import pytest

from tests.compat.sockets import client

# Makes pytest-django create the database that the processes use.
pytestmark = pytest.mark.django_db

TRADE = (
    '{"stream":"trade@%s","data":{"e":"trade","t":1041,"m":true,"p":"1000.50",'
    '"q":"0.10","s":"%s"}}'
)
DEPTH = (
    '{"stream":"depth@%s","data":{"a":[["1000.60","0"],["1000.70","2.5"]],"b":[],'
    '"e":"depth"}}'
)
TICKER = '{"stream":"ticker@%s","data":{"c":"1000.50","s":"%s","e":"ticker"}}'
ACK = {"result": None, "id": 1}


def subscribe(*names, method="SUBSCRIBE", **fields):
    return {"method": method, "params": list(names), **fields}


@pytest.fixture
def market(request) -> str:
    """A market that no other test uses."""
    return f"{request.node.name.removeprefix('test_compat_')[:30]}_INR".upper()


async def test_compat_56_no_frame_comes_after_connecting(server):
    async with client(server.url, "/stream") as socket:
        await socket.nothing(timeout_s=2.0)


async def test_compat_57_envelopes_arrive_as_they_were_published(
    server, channels, market
):
    names = [f"{kind}@{market}" for kind in ("trade", "depth", "ticker")]
    payloads = [TRADE % (market, market), DEPTH % market, TICKER % (market, market)]
    async with (
        client(server.url, "/stream") as socket,
        client(server.url, "/stream") as other,
    ):
        await socket.send(subscribe(*names))
        await socket.send(subscribe(names[0]))
        listed = await socket.ask({"method": "LIST_SUBSCRIPTIONS", "id": 9})
        assert listed == {"result": names, "id": 9}
        await other.send(subscribe("trade@SOMETHING_ELSE"))
        for name in names:
            await channels.until_followed(name)

        for name, payload in zip(names, payloads, strict=True):
            await channels.publish(name, payload)

        assert [await socket.text() for _ in names] == payloads
        await socket.nothing()
        await other.nothing()


async def test_compat_58_unsubscribing_of_three_removes_three(server, channels, market):
    names = [f"{kind}@{market}" for kind in ("trade", "depth", "ticker")]
    async with (
        client(server.url, "/stream") as socket,
        client(server.url, "/stream") as other,
    ):
        assert await socket.ask(subscribe(*names, id=1)) == ACK
        assert await other.ask(subscribe(*names, id=1)) == ACK
        for name in names:
            await channels.until_followed(name)

        reply = await socket.ask(subscribe(*names, method="UNSUBSCRIBE", id=1))
        for name in names:
            await channels.publish(name, {"stream": name, "data": {"e": "x"}})

        assert reply == ACK
        assert {(await other.json())["stream"] for _ in names} == set(names)
        await socket.nothing()


async def test_compat_59_redis_is_subscribed_while_somebody_follows(
    server, channels, market
):
    name = f"depth@{market}"
    await channels.until_followed(name, count=0)
    async with client(server.url, "/stream") as first:
        await first.send(subscribe(name))
        await channels.until_followed(name, count=1)
        async with client(server.url, "/stream") as second:
            assert await second.ask(subscribe(name, id=1)) == ACK
            await channels.until_followed(name, count=1)
    await channels.until_followed(name, count=0)


FOLLOW_FOR_EVER = """
import asyncio, json, sys
from websockets.asyncio.client import connect

async def main(url, name):
    async with connect(url, proxy=None) as socket:
        await socket.send(json.dumps({"method": "SUBSCRIBE", "params": [name]}))
        await asyncio.sleep(1000)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_compat_59_a_killed_client_is_forgotten(server, channels, market):
    name = f"trade@{market}"
    url = server.url.rstrip("/") + "/stream"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FOLLOW_FOR_EVER, url, name
    )
    try:
        await channels.until_followed(name)
    finally:
        process.kill()
        await process.wait()

    await channels.until_followed(name, count=0)


BAD_FRAMES = [
    "not JSON",
    "null",
    "[]",
    '{"method":"SUBSCRIBE"}',
    '{"method":"SUBSCRIBE","params":null}',
    '{"method":"SUBSCRIBE","params":"trade@X"}',
    '{"method":"SUBSCRIBE","params":[1,null,{}]}',
    '{"method":{"a":1},"params":[]}',
    b"\x00\x01",
]


async def test_compat_60_bad_frames_are_answered_and_others_go_on(
    server, channels, market
):
    name = f"ticker@{market}"
    async with (
        client(server.url, "/stream") as socket,
        client(server.url, "/stream") as other,
    ):
        assert await other.ask(subscribe(name, id=1)) == ACK
        await channels.until_followed(name)

        answers = [await socket.ask(frame) for frame in BAD_FRAMES]
        reply = await socket.ask(subscribe(name, id=1))
        await channels.publish(name, TICKER % (market, market))

        for answer in answers:
            assert answer.keys() == {"error", "id"}
            assert answer["error"].keys() == {"code", "msg"}
        assert reply == ACK
        assert (await socket.json()) == (await other.json())


async def test_compat_60_a_huge_frame_closes_its_own_connection(
    server, channels, market
):
    name = f"ticker@{market}"
    async with (
        client(server.url, "/stream") as socket,
        client(server.url, "/stream") as other,
    ):
        assert await other.ask(subscribe(name, id=1)) == ACK
        await channels.until_followed(name)

        await socket.send("x" * 1_000_000)

        code, _, _ = await socket.closed()
        assert code == 1009
        await channels.publish(name, TICKER % (market, market))
        assert (await other.json())["stream"] == name


BAD_PAYLOADS = [
    "not JSON",
    "null",
    "[1]",
    '"text"',
    "",
    b"\xff\xfe",
    "{}",
    '{"stream":"trade@X"}',
    "[" * 100_000,
]


async def test_compat_60_bad_payloads_are_dropped(server, channels, market):
    name = f"trade@{market}"
    good = TRADE % (market, market)
    async with client(server.url, "/stream") as socket:
        assert await socket.ask(subscribe(name, id=1)) == ACK
        await channels.until_followed(name)

        for payload in BAD_PAYLOADS:
            await channels.publish(name, payload)
        await channels.publish(name, good)

        assert await socket.text() == good


async def test_compat_61_an_internal_channel_is_refused(server, channels):
    async with client(server.url, "/stream") as socket:
        answer = await socket.ask(subscribe("internal", id=1))
        await channels.publish("internal", '{"stream":"internal","data":{}}')

        assert answer["id"] == 1
        assert answer["error"]["code"] == 2
        await socket.nothing()


async def test_compat_61_a_channel_of_another_form_is_unreachable(server, channels):
    async with client(server.url, "/stream") as socket:
        await socket.ask(subscribe("orders@TATA_INR", id=1))
        await channels.publish("orders@TATA_INR", '{"stream":"orders@X","data":{}}')

        await channels.until_followed("orders@TATA_INR", count=0)
        await socket.nothing()


async def test_compat_62_a_gap_shows_in_the_numbers_and_zeros_pass(
    server, channels, market
):
    name = f"depth@{market}"
    async with client(server.url, "/stream") as socket:
        await socket.ask({"method": "SET_PROPERTY", "params": ["seq", True], "id": 1})
        assert await socket.ask(subscribe(name, id=1)) == ACK
        await channels.until_followed(name)

        for _ in range(3):
            await channels.publish(name, DEPTH % market)

        frames = [await socket.json() for _ in range(3)]
    assert [frame["seq"] for frame in frames] == [1, 2, 3]
    assert len({frame["epoch"] for frame in frames}) == 1
    assert frames[0]["data"] == json.loads(DEPTH % market)["data"]
    assert frames[0]["data"]["a"][0] == ["1000.60", "0"]


async def test_compat_62_a_snapshot_comes_first_if_asked_for(server, channels, market):
    name = f"ticker@{market}"
    async with (
        client(server.url, "/stream") as early,
        client(server.url, "/stream") as late,
    ):
        await early.ask(subscribe(name, id=1))
        await channels.until_followed(name)
        await channels.publish(name, TICKER % (market, market))
        first = await early.text()

        await late.ask(
            {"method": "SET_PROPERTY", "params": ["snapshot", True], "id": 1}
        )
        await late.ask(subscribe(name, id=1))

        assert await late.text() == first


async def test_compat_60_the_stream_resumes_after_redis_was_away(
    server, channels, private_redis, market
):
    name = f"trade@{market}"
    async with client(server.url, "/stream") as socket:
        assert await socket.ask(subscribe(name, id=1)) == ACK
        await channels.until_followed(name)

        private_redis.kill()
        await asyncio.to_thread(private_redis.start)
        await channels.until_followed(name)

        # The feed is back before the hub may be; what comes between is lost.
        async with asyncio.timeout(60):
            while True:
                await channels.publish(name, TRADE % (market, market))
                try:
                    frame = await socket.text(timeout_s=0.2)
                except TimeoutError:
                    continue
                break
    assert frame == TRADE % (market, market)
