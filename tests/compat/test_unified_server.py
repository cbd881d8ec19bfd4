"""COMPAT checks 1 to 11: server A's clients, from outside.

What is private to a client (parts of 6 and 10) is checked with the private feeds.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.request import urlopen

import pytest
from websockets.frames import Opcode

from marketdata.tokens import Claims, issue_jwt
from tests.compat.conftest import PLAN, StartServer
from tests.compat.sockets import Socket, client, mute_client, read_frame
from tests.marketdata.server_process import ServerProcess

# Makes pytest-django create the database that the processes use.
pytestmark = pytest.mark.django_db

SECRET = "compat-secret-of-32-characters-or-more"
FEED = {"BROKERS_ENABLED": "simulated", "SIMULATED_RATE": "20", "FEED_SILENT_S": "3.5"}
QUIET = {"HEARTBEAT_S": "30"}


@pytest.fixture(scope="module")
def market(start_server, start_feed) -> Iterator[ServerProcess]:
    """A server with the simulated feed, and no heartbeat within a check."""
    with start_feed("simulated", **FEED), start_server(**FEED, **QUIET) as server:
        yield server


@pytest.fixture
async def socket(market: ServerProcess) -> AsyncIterator[Socket]:
    """A client that has been welcomed."""
    async with client(market.url) as socket:
        await socket.json()
        yield socket


def subscribe(*symbols: str, action: str = "subscribe", **fields: object) -> dict:
    return {"action": action, "symbols": list(symbols), **fields}


@asynccontextmanager
async def client_of(
    start_server: StartServer, **settings: str
) -> AsyncIterator[Socket]:
    """Start a server of its own settings and connect; the client has been welcomed."""
    with start_server(**QUIET, **settings) as server:
        async with client(server.url) as socket:
            await socket.json()
            yield socket


async def clients_of(server: ServerProcess) -> int:
    """Return how many clients `/metrics` tells."""
    answer = await asyncio.to_thread(urlopen, f"http://{server.host}/metrics")
    return json.loads(answer.read())["connections"]


async def data_of(socket: Socket, count: int, *, timeout_s: float = 10.0) -> list[dict]:
    """Return so many data frames, whatever comes between them."""
    frames: list[dict] = []
    while len(frames) < count:
        frame = await socket.json(timeout_s=timeout_s)
        if frame["type"] == "data":
            frames.append(frame)
    return frames


async def answer(socket: Socket, frame: str | bytes | dict) -> dict:
    """Send a frame and return the next one that is no data."""
    await socket.send(frame)
    while (reply := await socket.json())["type"] == "data":
        pass
    return reply


async def test_compat_1_exactly_one_frame_welcomes(market):
    async with client(market.url) as socket:
        welcome = await socket.json()

        assert welcome["type"] == "status"
        assert welcome["message"] == "Connected to Market Data Server"
        await socket.nothing(timeout_s=3)


async def test_compat_2_data_frames_have_server_as_shape(socket):
    await socket.send(subscribe("BTCUSDT"))

    frames = await data_of(socket, 3)

    for frame in frames:
        inner = frame["data"]
        assert {"type", "broker", "symbol", "data"} <= frame.keys()
        assert inner.keys() == {"broker", "symbol", "type", "timestamp", "data"}
        assert (inner["broker"], inner["symbol"]) == (frame["broker"], frame["symbol"])
        assert type(inner["timestamp"]) is int
        assert abs(inner["timestamp"] - time.time() * 1_000) < 5_000
        numbers = inner["data"]
        assert type(numbers["price"]) is float
        assert type(numbers["volume"]) is float
    assert "clientId" not in json.dumps(frames)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"action": "subscribe"}, "INVALID_FIELD"),
        (subscribe(), "INVALID_FIELD"),
        ({"action": "subscribe", "symbols": "BTCUSDT"}, "INVALID_FIELD"),
        (subscribe("BTCUSDT", broker="nobody"), "UNKNOWN_BROKER"),
        (subscribe("NOTHING1"), "UNKNOWN_SYMBOL"),
    ],
)
async def test_compat_3_a_bad_subscribe_is_answered_in_plain_words(socket, frame, code):
    reply = await answer(socket, frame)

    assert (reply["type"], reply["code"]) == ("error", code)
    for word in ("TypeError", "SyntaxError", "Traceback", "object at 0x"):
        assert word not in reply["message"]
    assert (await answer(socket, {"action": "ping"}))["type"] == "pong"


async def test_compat_3_the_reply_names_all_and_precedes_data(socket):
    reply = await socket.ask(subscribe("BTCUSDT", "NOTHING1"))

    assert reply["type"] == "status"
    assert [item["requested"] for item in reply["accepted"]] == ["BTCUSDT"]
    assert [(item["requested"], item["code"]) for item in reply["rejected"]] == [
        ("NOTHING1", "UNKNOWN_SYMBOL")
    ]
    assert reply["rejected"][0]["message"]
    await data_of(socket, 1)


async def test_compat_3_types_are_what_comes(market):
    async with client(market.url) as trades, client(market.url) as candles:
        await trades.send(subscribe("BTCUSDT", types=["trade"]))
        await candles.send(subscribe("BTCUSDT", types=["candle"], interval="1m"))

        trades_seen = await data_of(trades, 3)
        candles_seen = await data_of(candles, 2)

    assert {frame["data"]["type"] for frame in trades_seen} == {"trade"}
    assert {frame["data"]["type"] for frame in candles_seen} == {"candle"}
    assert {frame["data"]["data"]["period"] for frame in candles_seen} == {"1m"}


async def test_compat_4_unsubscribe_ends_one_symbol_and_the_others_go_on(socket):
    await answer(socket, subscribe("BTCUSDT", "ETHUSDT"))

    reply = await answer(socket, subscribe("BTCUSDT", action="unsubscribe"))
    unknown = await answer(socket, subscribe("GBPUSD", action="unsubscribe"))

    assert [item["symbol"] for item in reply["accepted"]] == ["BTC/USDT"]
    assert unknown["type"] == "status"
    assert {frame["symbol"] for frame in await data_of(socket, 30)} == {"ETH/USDT"}


async def test_compat_5_authentication(start_server):
    token = issue_jwt(Claims("desk", time.time() + 60, PLAN), SECRET)
    async with client_of(start_server, WS_AUTH_REQUIRED="1", JWT_SECRET=SECRET) as one:
        replies = [
            await one.ask(frame)
            for frame in (
                subscribe("BTCUSDT"),
                {"action": "auth"},
                {"action": "auth", "auth": "wrong"},
                {"action": "auth", "auth": token},
                subscribe("BTCUSDT"),
            )
        ]

    assert [reply["type"] for reply in replies] == [*["error"] * 3, *["status"] * 2]
    assert replies[0]["code"] == "AUTH_REQUIRED"
    assert {reply["message"] for reply in replies[1:3]} == {"Invalid authentication"}
    assert replies[3]["message"] == "Authenticated successfully"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"broker": "oanda"},
        {"credentials": {"token": "t"}},
        {"broker": "oanda", "credentials": {}},
    ],
)
async def test_compat_6_missing_fields_are_named(socket, fields):
    reply = await socket.ask({"action": "authenticate", **fields})

    assert reply["type"] == "error"
    assert reply["message"] == "Missing broker or credentials"


MALFORMED = ["not JSON", "null", "[]", "{}", '{"action":' + "[" * 10_000, b"\x00\x01"]


async def test_compat_7_malformed_frames_leave_the_connection_alive(socket):
    for frame in MALFORMED:
        reply = await socket.ask(frame)
        assert reply["type"] == "error"
        assert reply["message"].startswith("Invalid message format")
    unknown = await socket.ask({"action": "dance"})

    assert (unknown["type"], unknown["code"]) == ("error", "UNKNOWN_ACTION")
    assert (await socket.ask({"action": "ping"}))["type"] == "pong"
    assert (await socket.ask(subscribe("BTCUSDT")))["type"] == "status"


async def test_compat_7_invalid_utf_8_closes_with_1007(socket):
    await socket.connection.send(b"\xff\xfe", text=True)

    code, _, _ = await socket.closed()

    assert code == 1007


async def test_compat_8_every_spelling_receives_the_display_symbol(market):
    for spelling in ("EUR/USD", "EUR_USD", "EURUSD", "eur/usd"):
        async with client(market.url) as socket:
            await socket.json()
            reply = await socket.ask(subscribe(spelling))
            (frame,) = await data_of(socket, 1)

        assert reply["accepted"][0]["requested"] == spelling
        assert frame["symbol"] == "EUR/USD"


async def test_compat_9_a_client_without_pongs_is_closed_in_two_intervals(server):
    interval_s = 0.5  # tests/compat/conftest.py; the default is asserted in test_env
    began_s = time.monotonic()
    async with mute_client(server.url, "/") as reader:
        opcodes = []
        async with asyncio.timeout(60):
            while Opcode.CLOSE not in opcodes:
                opcode, data = await read_frame(reader)
                opcodes.append(opcode)
        took_s = time.monotonic() - began_s
        async with asyncio.timeout(60):
            while await clients_of(server):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    assert opcodes.count(Opcode.PING) == 1  # so it waited for no third interval
    assert int.from_bytes(data[:2]) == 4003
    assert took_s > 2 * interval_s - 0.1


async def test_compat_10_upstream_is_followed_until_the_last_client_has_gone(
    server, channels
):
    name = "trade@COMPAT_TEN"
    clients = []
    for _ in range(2):
        context = client(server.url, "/stream")
        socket = await context.__aenter__()
        await socket.ask({"method": "SUBSCRIBE", "params": [name], "id": 1})
        clients.append(socket)
    await channels.until_followed(name, count=1)

    clients[0].connection.transport.abort()
    await asyncio.sleep(0.6)  # twice the grace period of conftest
    await channels.until_followed(name, count=1)
    clients[1].connection.transport.abort()

    await channels.until_followed(name, count=0)


async def test_compat_11_a_frame_over_the_limit_closes_with_1009(socket):
    await socket.send("x" * (100 * 1024 + 1))

    code, _, frames = await socket.closed()

    assert code == 1009
    assert json.loads(frames[-1])["code"] == "INVALID_MESSAGE"


async def test_compat_11_the_51st_subscription_is_refused(socket):
    kinds = ["tick", "trade", "orderbook"]
    symbols = ["EURUSD", "GBPUSD", "USDJPY", "BTCUSDT", "ETHUSDT"]
    intervals = ["1m", "5m", "15m", "1h", "4h", "12h", "1d"]
    await answer(socket, subscribe(*symbols, types=kinds))  # 15
    for interval in intervals:  # 35
        candles = subscribe(*symbols, types=["candle"], interval=interval)
        assert (await answer(socket, candles))["rejected"] == []

    reply = await answer(socket, subscribe("EURUSD", types=["candle"], price="bid"))

    assert (reply["type"], reply["code"]) == ("error", "SUBSCRIPTION_LIMIT")


async def test_compat_11_a_connection_over_the_limit_is_refused(start_server):
    async with client_of(start_server, WS_MAX_CONNECTIONS="1") as first:
        host = first.connection.remote_address
        async with client(f"ws://{host[0]}:{host[1]}") as second:
            code, _, _ = await second.closed()

        assert code == 4503
        assert (await first.ask({"action": "ping"}))["type"] == "pong"


async def test_compat_11_too_many_requests_are_answered_and_ignored(socket):
    for _ in range(150):
        await socket.send({"action": "ping"})

    replies = [await socket.json() for _ in range(150)]

    kinds = [reply["type"] for reply in replies]
    assert kinds[:100] == ["pong"] * 100
    assert {reply.get("code") for reply in replies[-10:]} == {"RATE_LIMITED"}


async def test_compat_11_a_foreign_origin_is_refused(market):
    async with client(market.url, origin="http://elsewhere.example") as socket:
        code, _, frames = await socket.closed()

    assert code == 4506
    assert json.loads(frames[0])["code"] == "FORBIDDEN"
