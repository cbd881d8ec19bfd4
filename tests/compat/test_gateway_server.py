"""COMPAT checks 67 to 75 and 80: server C's clients, from outside."""

import asyncio
import json
import re
import signal
import time

import pytest
from websockets.frames import Opcode

from marketdata.tokens import Claims, issue_jwt
from tests.compat.conftest import PLAN
from tests.compat.sockets import client, mute_client, read_frame

# Makes pytest-django create the database that the processes use.
pytestmark = pytest.mark.django_db

UUID4 = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)
FIVE = ["AAPL", "GOOGL", "MSFT", "TSLA", "AMZN"]
AAPL = {
    "symbol": "AAPL",
    "price": 150.25,
    "volume": 100,
    "timestamp": 1_704_153_600_123,
    "conditions": ["@", "T"],
    "exchange": "NASDAQ",
}


def subscribe(*symbols, action="subscribe"):
    return {"action": action, "symbols": list(symbols)}


@pytest.fixture
async def socket(server):
    """A client that has been welcomed."""
    async with client(server.url, "/gateway") as socket:
        await socket.json()
        yield socket


def is_now(timestamp_ms: int) -> bool:
    return abs(timestamp_ms - time.time() * 1_000) < 5_000


async def test_compat_67_welcome(server):
    async with (
        client(server.url, "/gateway?userId=7") as first,
        client(server.url, "/gateway/") as second,
    ):
        welcomes = [await first.json(), await second.json()]

    for welcome in welcomes:
        data = welcome["data"]
        assert welcome.keys() == {"type", "message", "data", "timestamp"}
        assert welcome["type"] == "success"
        assert welcome["message"] == "Connected to WebSocket Gateway"
        assert data.keys() == {"connectionId", "serverId", "maxSymbolsPerConnection"}
        assert UUID4.fullmatch(data["connectionId"])
        assert re.fullmatch("ws-gateway-[0-9a-f]{8}", data["serverId"])
        assert data["maxSymbolsPerConnection"] == 5
        assert is_now(welcome["timestamp"])
    connections, servers = (
        {item["data"][key] for item in welcomes} for key in ("connectionId", "serverId")
    )
    assert (len(connections), len(servers)) == (2, 1)


async def test_compat_68_subscribing(socket):
    replies = [
        await socket.ask(subscribe("msft")),
        await socket.ask(subscribe("googl", "AAPL", "msft")),
        await socket.ask(subscribe("aapl")),
    ]

    assert [reply["type"] for reply in replies] == ["success"] * 3
    assert [reply["message"] for reply in replies] == [
        "Successfully subscribed to 1 symbol(s)",
        "Successfully subscribed to 2 symbol(s)",
        "Already subscribed to all requested symbols",
    ]
    assert [reply["data"]["subscribed"] for reply in replies] == [
        ["MSFT"],
        ["GOOGL", "AAPL"],
        [],
    ]
    for reply in replies[1:]:
        assert reply["data"]["currentSubscriptions"] == ["MSFT", "GOOGL", "AAPL"]


async def test_compat_69_limit(socket):
    await socket.ask(subscribe(*FIVE))

    refusal = await socket.ask(subscribe("NFLX"))
    unchanged = await socket.ask(subscribe("AAPL"))

    assert refusal["type"] == "error"
    assert refusal["message"].startswith(
        "Cannot subscribe: would exceed maximum of 5 symbols per connection"
    )
    assert unchanged["data"]["currentSubscriptions"] == FIVE


async def test_compat_69_cases_of_one_symbol_count_once(socket):
    reply = await socket.ask(subscribe("TSLA", "tsla"))

    assert reply["data"]["subscribed"] == ["TSLA"]


async def test_compat_70_unsubscribing_and_ping(socket):
    await socket.ask(subscribe("AAPL", "MSFT"))

    gone = await socket.ask(subscribe("aapl", "NFLX", action="unsubscribe"))
    none = await socket.ask(subscribe("aapl", action="unsubscribe"))
    pong = await socket.ask({"action": "ping"})

    assert gone["message"] == "Successfully unsubscribed from 1 symbol(s)"
    assert gone["data"] == {"unsubscribed": ["AAPL"], "currentSubscriptions": ["MSFT"]}
    assert none["type"] == "success"
    assert none["message"] == "Not subscribed to any of the requested symbols"
    assert pong.keys() == {"type", "timestamp"}
    assert pong["type"] == "pong"
    assert is_now(pong["timestamp"])


async def test_compat_71_errors(socket):
    texts = {
        "null": "Invalid message format: missing action field",
        "{}": "Invalid message format: missing action field",
        '{"action":"foo"}': "Unknown action: foo",
        '{"action":"subscribe"}': "Invalid subscribe message: ",
        '{"action":"subscribe","symbols":["A","B","C","D","E","F"]}': (
            "Invalid subscribe message: "
        ),
        '{"action":"unsubscribe","symbols":[""]}': "Invalid unsubscribe message: ",
        "hello": "",
    }

    for text, prefix in texts.items():
        frame = await socket.ask(text)

        assert frame["type"] == "error"
        assert frame["message"].startswith(prefix)
        assert is_now(frame["timestamp"])
    assert (await socket.ask({"action": "ping"}))["type"] == "pong"


async def test_compat_72_trades(server, channels, socket):
    async with client(server.url, "/gateway") as other:
        await other.json()
        await other.ask(subscribe("MSFT"))
        await socket.ask(subscribe("aapl"))
        bare = {key: AAPL[key] for key in ("symbol", "price", "volume", "timestamp")}

        await channels.publish("channel:trade:AAPL", {**AAPL, "internalId": 7})
        await channels.publish("channel:trade:AAPL", bare)
        for bad in ("not JSON", "null", "[]", "{}", b"\xff"):
            await channels.publish("channel:trade:AAPL", bad)
        await channels.publish("channel:trade:A:B", AAPL)
        await channels.publish("channel:trade:aapl", {**AAPL, "symbol": "aapl"})

        frames = [await socket.json() for _ in range(3)]
        await socket.nothing()
        await other.nothing()

    assert [frame["data"] for frame in frames] == [AAPL, bare, AAPL]
    for frame in frames:
        assert list(frame) == ["type", "data", "timestamp"]
        assert frame["type"] == "trade"
        assert is_now(frame["timestamp"])


async def test_compat_73_a_client_that_answers_no_ping_is_closed(server):
    async with mute_client(server.url, "/gateway") as reader:
        frames = []
        async with asyncio.timeout(60):
            while not frames or frames[-1][0] is not Opcode.CLOSE:
                frames.append(await read_frame(reader))

    # One ping, so two intervals: 60 s by default.
    assert [opcode for opcode, _ in frames].count(Opcode.PING) == 1
    assert frames[-1][1] == (1000).to_bytes(2) + b"Heartbeat timeout"
    texts = [json.loads(data) for opcode, data in frames if opcode is Opcode.TEXT]
    assert [frame["type"] for frame in texts] == ["success", "error"]
    assert texts[1]["message"] == "Heartbeat timeout"


async def test_compat_74_a_frame_of_100_kib_is_read_and_one_more_byte_closes(socket):
    ping = '{"action":"ping","pad":"%s"}'
    pad = "x" * (102_400 - len(ping % ""))

    assert (await socket.ask(ping % pad))["type"] == "pong"
    await socket.send(ping % (pad + "x"))

    code, _, _ = await socket.closed()
    assert code == 1009


async def test_compat_74_deflate_is_negotiated_when_offered(server):
    async with (
        client(server.url, "/gateway") as offering,
        client(server.url, "/gateway", compression=None) as plain,
    ):
        headers = offering.connection.response.headers
        assert "permessage-deflate" in headers["Sec-WebSocket-Extensions"]
        assert "Sec-WebSocket-Extensions" not in plain.connection.response.headers


async def test_compat_75_sigterm_closes_all_and_ends_with_0(start_server):
    with start_server() as server:
        async with (
            client(server.url, "/gateway") as first,
            client(server.url, "/gateway") as second,
        ):
            await asyncio.gather(first.json(), second.json())

            server.process.send_signal(signal.SIGTERM)

            ends = await asyncio.gather(first.closed(), second.closed())
        status = await asyncio.to_thread(server.process.wait, 10)

    for code, reason, frames in ends:
        assert (code, reason) == (1001, "Server shutting down")
        assert [json.loads(frame)["type"] for frame in frames] == ["error"]
    assert status == 0


SECRET = "compat checks sign their own tokens"


def token(expires_in_s: float) -> str:
    return issue_jwt(Claims("desk-7", time.time() + expires_in_s, PLAN), SECRET)


@pytest.fixture(scope="module")
def closed_server(start_server):
    """A server that serves nobody without a token."""
    with start_server(
        WS_AUTH_REQUIRED="true", JWT_SECRET=SECRET, AUTH_TIMEOUT_S="0.5"
    ) as server:
        yield server


async def test_compat_80_a_token_in_the_query_is_accepted_with_its_plan(closed_server):
    async with client(closed_server.url, f"/gateway?token={token(60)}") as socket:
        welcome = await socket.json()
        reply = await socket.ask(subscribe(*FIVE, "NFLX", "META"))

    assert welcome["data"]["maxSymbolsPerConnection"] == 7
    assert reply["message"] == "Successfully subscribed to 7 symbol(s)"


@pytest.mark.parametrize("path", ["/gateway", "/stream", "/ws"])
async def test_compat_80_an_expired_token_is_refused(closed_server, path):
    async with client(closed_server.url, f"{path}?token={token(-60)}") as socket:
        code, _, frames = await socket.closed()

    assert code in (4005, 4500)
    assert (
        "error" in json.loads(frames[-1]) or json.loads(frames[-1])["type"] == "error"
    )


async def test_compat_80_a_token_is_told_when_it_ends(closed_server):
    async with client(closed_server.url, f"/gateway?token={token(1.5)}") as socket:
        await socket.json()
        assert (await socket.ask({"action": "ping"}))["type"] == "pong"

        code, _, _ = await socket.closed()

    assert code == 4005


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("/gateway", subscribe("AAPL")),
        ("/stream", {"method": "SUBSCRIBE", "params": ["trade@X"], "id": 1}),
    ],
)
async def test_compat_80_without_a_token_nothing_is_served(
    closed_server, path, request_
):
    async with client(closed_server.url, path) as socket:
        await socket.send(request_)

        code, _, frames = await socket.closed()

    assert any("AUTH_REQUIRED" in frame for frame in frames)
    assert code == 4501


async def test_compat_80_an_address_has_so_many_connections(start_server):
    limits = {"WS_MAX_CONNECTIONS_PER_ADDRESS": "2", "WS_LIMIT_LOOPBACK": "true"}
    with start_server(**limits) as server:
        async with (
            client(server.url, "/gateway") as first,
            client(server.url, "/stream"),
        ):
            async with client(server.url, "/gateway") as third:
                code, _, _ = await third.closed()
            await first.json()

            assert (await first.ask({"action": "ping"}))["type"] == "pong"
    assert code == 4503
