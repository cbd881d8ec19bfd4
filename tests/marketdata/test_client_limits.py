"""Who may stay on a socket, and how much it may send: the consumer over plain ASGI."""

import json

import pytest
from channels.testing import WebsocketCommunicator

from marketdata.clients import Plan
from marketdata.connection_limits import Caps
from marketdata.consumer import LiveConsumer
from marketdata.dialects import ServerFacts
from marketdata.runtime import Options, Runtime
from marketdata.sessions.unified import UNIFIED
from tests.marketdata.accounts import FakeStore, make_admission, make_token
from tests.marketdata.samples import catalog

PRO = Plan("pro", subscriptions=9, requests_per_s=1_000.0, request_burst=1_000)
SLOW = Plan("slow", requests_per_s=0.001, request_burst=2)
SUBSCRIBE = {"action": "subscribe", "symbols": ["BTCUSDT"]}


@pytest.fixture
async def open_client(layer):
    """A function that connects to a server made for it; returns a `Client`."""
    closers = []

    async def open_client(path="/", caps=None, others=0, **settings):
        names = ("auth_timeout_s", "max_malformed")
        options = Options(
            facts=ServerFacts("x", 30, 100_000, 100_000),
            dialect_of=lambda path: UNIFIED,
            admission=make_admission(
                FakeStore({"pro": PRO, "slow": SLOW, "anonymous": Plan()}),
                caps=caps,
                is_auth_required=settings.pop("is_auth_required", False),
            ),
            grace_s=0.01,
            catalog_refresh_s=60,
            **{name: settings.pop(name) for name in names if name in settings},
        )
        runtime = Runtime(layer, lambda: catalog("binance"), options)
        closers.append(runtime.close)
        for _ in range(others):
            await connect(runtime, "/")
        return await connect(runtime, path)

    async def connect(runtime, path):
        application = LiveConsumer.as_asgi(runtime=runtime)
        socket = WebsocketCommunicator(application, path)
        assert (await socket.connect())[0]
        closers.insert(0, socket.disconnect)
        return Client(socket)

    yield open_client
    for close in closers:
        await close()


class Client:
    """Asks and listens; frames are JSON."""

    def __init__(self, socket):
        self._socket = socket

    async def receive(self):
        return json.loads(await self._socket.receive_from(timeout=60))

    async def ask(self, **fields):
        await self.send(json.dumps(fields))
        return await self.receive()

    async def send(self, text):
        await self._socket.send_to(text)

    async def close_code(self):
        return (await self._socket.receive_output(timeout=60))["code"]


async def test_client_with_a_good_token_has_its_plan(open_client):
    client = await open_client(f"/?token={make_token()}")

    assert (await client.receive())["limits"]["subscriptions"] == 9


@pytest.mark.parametrize(
    ("token", "code"), [("nonsense", 4500), (make_token(seconds=-60), 4005)]
)
async def test_client_with_a_bad_token_is_closed_without_a_welcome(
    open_client, token, code
):
    client = await open_client(f"/?token={token}")

    assert (await client.receive())["code"] == "INVALID_AUTH"
    assert await client.close_code() == code


async def test_compat_check_5_auth_is_required_before_anything_else(open_client):
    client = await open_client(is_auth_required=True)
    await client.receive()

    assert (await client.ask(**SUBSCRIBE))["code"] == "AUTH_REQUIRED"
    missing = await client.ask(action="auth")
    wrong = await client.ask(action="auth", auth="wrong")
    right = await client.ask(action="auth", token=make_token())
    assert missing["message"] == wrong["message"] == "Invalid authentication"
    assert right["message"] == "Authenticated successfully"
    assert (await client.ask(**SUBSCRIBE))["accepted"][0]["symbol"] == "BTC/USDT"


async def test_client_that_does_not_authenticate_in_time_is_closed(open_client):
    client = await open_client(is_auth_required=True, auth_timeout_s=0.05)
    await client.receive()

    assert (await client.receive())["code"] == "AUTH_REQUIRED"
    assert await client.close_code() == 4501


async def test_client_whose_token_expires_is_closed(open_client):
    client = await open_client(f"/?token={make_token(seconds=1)}")
    await client.receive()

    assert (await client.receive())["message"] == "the token has expired"
    assert await client.close_code() == 4005


async def test_client_that_renews_its_token_stays(open_client):
    client = await open_client(is_auth_required=True, auth_timeout_s=2)
    await client.receive()
    await client.ask(action="auth", token=make_token(seconds=2))

    await client.ask(action="auth", token=make_token(seconds=60))

    assert await client._socket.receive_nothing(timeout=2.2)


async def test_requests_over_the_plans_rate_are_answered_and_ignored(open_client):
    client = await open_client(f"/?token={make_token('slow')}")
    await client.receive()
    await client.ask(action="ping")
    await client.ask(action="ping")

    answer = await client.ask(action="subscribe", symbols=["BTCUSDT"], id=7)

    assert (answer["type"], answer["id"], answer["code"]) == (
        "error",
        7,
        "RATE_LIMITED",
    )


async def test_client_that_sends_too_much_nonsense_is_closed(open_client):
    client = await open_client(max_malformed=2)
    await client.receive()
    for _ in range(3):
        await client.send("nonsense")

    codes = [(await client.receive())["code"] for _ in range(4)]

    assert codes == ["INVALID_MESSAGE"] * 4
    assert await client.close_code() == 4502


async def test_client_beyond_the_limit_of_the_process_is_closed(open_client):
    client = await open_client(caps=Caps(total=1), others=1)

    assert (await client.receive())["code"] == "RATE_LIMITED"
    assert await client.close_code() == 4503
