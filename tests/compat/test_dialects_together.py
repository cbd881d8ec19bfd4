"""COMPAT check 81: the three dialects on one port, and who lives at the root."""

import pytest

from tests.compat.sockets import client

# Makes pytest-django create the database that the processes use.
pytestmark = pytest.mark.django_db

UNIFIED = {"action": "subscribe", "symbols": ["BTCUSDT"], "id": "u"}
STREAM = {"method": "SUBSCRIBE", "params": ["trade@X"], "id": 1}
GATEWAY = {"action": "subscribe", "symbols": ["AAPL"]}


async def test_compat_81_a_frame_of_another_dialect_gets_this_ones_error(server):
    async with (
        client(server.url, "/ws") as unified,
        client(server.url, "/stream") as stream,
        client(server.url, "/gateway") as gateway,
    ):
        assert (await unified.json())["type"] == "status"
        assert (await gateway.json())["message"] == "Connected to WebSocket Gateway"

        at_unified = await unified.ask(STREAM)
        at_stream = [await stream.ask(frame) for frame in (UNIFIED, GATEWAY)]
        at_gateway = await gateway.ask(STREAM)

        assert at_unified["type"] == "error"
        assert at_unified["code"] == "INVALID_MESSAGE"
        assert [answer["error"]["code"] for answer in at_stream] == [2, 2]
        assert at_stream[0]["id"] == "u"
        assert at_gateway["type"] == "error"
        assert at_gateway["message"] == "Invalid message format: missing action field"
        for socket, frame in ((unified, UNIFIED), (stream, STREAM), (gateway, GATEWAY)):
            assert "error" not in str(await socket.ask(frame))


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ("unified", "Connected to Market Data Server"),
        ("gateway", "Connected to WebSocket Gateway"),
        ("stream", None),
    ],
)
async def test_compat_81_the_root_is_configurable(start_server, root, message):
    with start_server(WS_ROOT_DIALECT=root) as server:
        async with (
            client(server.url) as at_root,
            client(server.url, "/ws") as unified,
        ):
            if message is None:
                assert (await at_root.ask(STREAM)) == {"result": None, "id": 1}
            else:
                assert (await at_root.json())["message"] == message
            assert (await unified.json())["type"] == "status"
