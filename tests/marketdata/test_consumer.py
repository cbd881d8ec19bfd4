"""The consumer under servers that offer nothing but ASGI."""

import asyncio
import json

import pytest
from channels.testing import WebsocketCommunicator

from marketdata.connections import connections
from marketdata.consumer import LiveConsumer
from marketdata.dialects import Dialect, ServerFacts
from marketdata.process_messages import QUESTIONS
from marketdata.publisher import Publisher
from marketdata.runtime import Options, Runtime
from marketdata.sessions.unified import UNIFIED, UnifiedSession
from marketdata.topics import group_name, topic_of
from tests.marketdata.accounts import make_admission
from tests.marketdata.polling import until
from tests.marketdata.samples import TICK, catalog, tick

FACTS = ServerFacts("x", 30, 1_000, 100_000)
GROUP = group_name(topic_of(TICK))
SUBSCRIBE = '{"action":"subscribe","symbols":["BTCUSDT"]}'


class BrokenSession(UnifiedSession):
    """Fails at a request to list."""

    def receive(self, text, *, catalog, now_us):
        if "list" in text:
            raise RuntimeError("a defect")
        return super().receive(text, catalog=catalog, now_us=now_us)


@pytest.fixture
async def runtime(layer):
    broken = Dialect("broken", BrokenSession)
    options = Options(
        facts=FACTS,
        dialect_of=lambda path: broken if path == "/broken" else UNIFIED,
        admission=make_admission(),
        grace_s=0.01,
        catalog_refresh_s=60,
    )
    runtime = Runtime(layer, lambda: catalog("binance"), options)
    yield runtime
    await runtime.close()


@pytest.fixture
async def open_client(runtime):
    """A function that connects; the welcome has been received."""
    clients = []

    async def open_client(path="/", headers=()):
        application = LiveConsumer.as_asgi(runtime=runtime)
        client = WebsocketCommunicator(application, path, headers=list(headers))
        assert (await client.connect())[0]
        clients.append(client)
        return client

    yield open_client
    for client in clients:
        await client.disconnect()


async def receive(client) -> dict:
    return json.loads(await client.receive_from(timeout=5))


async def test_session_over_plain_asgi_gets_replies_and_data(open_client, make_layer):
    publisher = Publisher(make_layer(), epoch=7)
    client = await open_client()

    assert (await receive(client))["message"] == "Connected to Market Data Server"
    await client.send_to(SUBSCRIBE)
    assert (await receive(client))["accepted"][0]["type"] == "tick"
    publisher.publish([tick(0), tick(1)])

    assert [(await receive(client))["seq"] for _ in range(2)] == [1, 2]


async def test_consumer_is_in_no_group_itself(open_client, layer):
    client = await open_client()
    await client.send_to(SUBSCRIBE)
    await receive(client)
    await receive(client)

    assert layer.channels == {}
    assert layer.groups == {}


async def test_process_counts_clients_and_subscriptions(open_client):
    before = (connections.clients, connections.subscriptions)
    client = await open_client()
    await receive(client)
    await client.send_to(SUBSCRIBE)
    await receive(client)

    assert (connections.clients, connections.subscriptions) == (
        before[0] + 1,
        before[1] + 1,
    )
    await client.disconnect()
    assert (connections.clients, connections.subscriptions) == before


async def test_unsubscribe_is_counted_too(open_client):
    before = connections.subscriptions
    client = await open_client()
    await receive(client)
    for request in (SUBSCRIBE, '{"action":"unsubscribe","symbols":"all"}'):
        await client.send_to(request)
        await receive(client)

    assert connections.subscriptions == before


async def test_defect_is_told_closes_with_4001_and_leaves_nothing(
    open_client, runtime, layer
):
    before = (connections.clients, connections.subscriptions)
    client = await open_client("/broken")
    await receive(client)
    await client.send_to(SUBSCRIBE)
    await receive(client)

    await client.send_to('{"action":"list"}')

    assert (await receive(client))["code"] == "INTERNAL_ERROR"
    assert (await client.receive_output())["code"] == 4001
    assert (connections.clients, connections.subscriptions) == before
    await until(lambda: follows_nothing(layer))


async def test_cancelled_session_leaves_nothing(runtime, layer):
    client = WebsocketCommunicator(LiveConsumer.as_asgi(runtime=runtime), "/")
    await client.connect()
    await receive(client)
    await client.send_to(SUBSCRIBE)
    await receive(client)
    assert not follows_nothing(layer)

    client.future.cancel()
    await asyncio.wait([client.future])

    await until(lambda: follows_nothing(layer))


def follows_nothing(layer) -> bool:
    """The process still hears the questions of the admin."""
    return all(QUESTIONS in name for name in layer.listeners)


@pytest.mark.parametrize("frame", ["x" * 1_001, "é" * 501])
async def test_frame_over_the_limit_is_told_and_closed(open_client, frame):
    client = await open_client()
    await receive(client)

    await client.send_to(frame)

    assert (await receive(client))["message"] == (
        "Invalid message format: expected at most 1000 bytes, "
        f"found {len(frame.encode())}"
    )
    assert (await client.receive_output())["code"] == 4000


async def test_requests_after_the_close_are_ignored(open_client):
    client = await open_client()
    await receive(client)
    await client.send_to("x" * 1_001)
    await receive(client)
    await client.receive_output()

    await client.send_to('{"action":"ping"}')

    assert await client.receive_nothing()


async def test_page_of_another_origin_is_refused_without_a_welcome(open_client):
    headers = [(b"origin", b"https://evil.example"), (b"host", b"md.example")]
    client = await open_client(headers=headers)

    assert (await receive(client))["code"] == "FORBIDDEN"
    assert (await client.receive_output())["code"] == 4506


async def test_shutdown_event_says_good_bye(open_client):
    client = await open_client()
    await receive(client)

    await client.send_input({"type": "websocket.shutdown"})

    assert (await receive(client))["code"] == "SHUTDOWN"
    assert (await client.receive_output())["code"] == 4000


async def test_catalog_that_cannot_be_loaded_leaves_symbols_unknown(layer):
    def fail():
        raise ConnectionError("no database")

    options = Options(FACTS, lambda path: UNIFIED, make_admission(), 0.01, 60)
    runtime = Runtime(layer, fail, options)
    client = WebsocketCommunicator(LiveConsumer.as_asgi(runtime=runtime), "/")
    await client.connect()
    await receive(client)

    await client.send_to(SUBSCRIBE)

    assert (await receive(client))["code"] == "UNKNOWN_SYMBOL"
    await client.disconnect()
    await runtime.close()


class Transport:
    """What a server gives an application; sending the welcome fails."""

    def __init__(self, error):
        self.error = error
        self.sent = []
        self.events = [{"type": "websocket.connect"}]

    async def receive(self):
        if not self.events:
            await asyncio.Event().wait()
        return self.events.pop()

    async def send(self, message):
        if len(self.sent) == 1:
            error, self.error = self.error, None
            if error is not None:
                raise error
        self.sent.append(message)


@pytest.mark.parametrize(
    ("error", "codes"),
    [(RuntimeError("refused"), [4001]), (ConnectionResetError(), [])],
)
async def test_send_that_fails_ends_the_session(runtime, error, codes):
    before = connections.clients
    transport = Transport(error)
    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}

    application = LiveConsumer.as_asgi(runtime=runtime)
    async with asyncio.timeout(5):
        await application(scope, transport.receive, transport.send)

    closes = [item["code"] for item in transport.sent if "code" in item]
    assert closes == codes
    assert connections.clients == before
