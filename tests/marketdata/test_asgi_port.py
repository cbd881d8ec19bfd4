import asyncio

import pytest

from marketdata.asgi_port import AsgiPort
from marketdata.outbox import Outbox
from marketdata.wire import Batch
from tests.marketdata.polling import until


async def never():
    await asyncio.Event().wait()


def nothing():
    pass


async def test_port_sends_in_order_and_closes_last():
    sent = []

    async def send(message):
        await asyncio.sleep(0)
        sent.append(message)

    port = AsgiPort(send, never)
    outbox = Outbox(port, 1_000, nothing)

    outbox.deliver(Batch((b"a", b"b")))
    outbox.deliver(Batch((b"c",)))
    outbox.ping()
    await until(lambda: len(sent) == 3)
    outbox.close(4001, "a reason", b"d")
    port.write(Batch((b"never",)))
    await port.finish()

    assert [message.get("text") for message in sent] == ["a", "b", "c", "d", None]
    assert sent[-1] == {"type": "websocket.close", "code": 4001, "reason": "a reason"}


async def test_port_that_blocks_makes_the_outbox_overflow():
    gate = asyncio.Event()
    overflows = []

    async def send(message):
        await gate.wait()

    port = AsgiPort(send, never)
    outbox = Outbox(port, 100, lambda: overflows.append(1))

    for _ in range(20):
        outbox.deliver(Batch((b"x" * 10,)))
        await asyncio.sleep(0)

    assert overflows == [1]
    gate.set()
    await port.finish()


async def test_port_of_a_client_that_went_away_is_quiet():
    async def send(message):
        raise ConnectionResetError

    port = AsgiPort(send, never)
    Outbox(port, 100, nothing).deliver(Batch((b"x",)))

    await port.finish()


async def test_port_answers_by_itself():
    port = AsgiPort(never, never)

    assert [port.is_answering() for _ in range(4)] == [True] * 4


@pytest.mark.parametrize(
    ("code", "sent_code"),
    [(1001, 4000), (1009, 4000), (1000, 1000), (4002, 4002), (4506, 4506)],
)
async def test_port_closes_with_codes_that_servers_accept(code, sent_code):
    sent = []

    async def send(message):
        sent.append(message)

    port = AsgiPort(send, never)
    port.close(code, "why")
    await port.finish()

    assert sent == [{"type": "websocket.close", "code": sent_code, "reason": "why"}]
