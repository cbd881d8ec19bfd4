"""Questions to all processes over the real Redis, and what web processes answer."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.exceptions import RedisError

from marketdata.clients import Client, Plan
from marketdata.codes import CloseCode
from marketdata.connections import Connections
from marketdata.exceptions import InvalidLayerMessage
from marketdata.layers import MarketDataChannelLayer
from marketdata.listed_client import ListedClient, Origin
from marketdata.process_messages import (
    QUESTIONS,
    AskClose,
    AskFigures,
    Closed,
    WebFigures,
    decode_question,
)
from marketdata.process_talk import ask_processes
from marketdata.web_answers import WebAnswers
from tests.marketdata.polling import until

SOON_S = 20.0  # of a machine that may be busy


class Outbox:
    """As far as a list of clients looks at it."""

    def __init__(self, sent: int = 0, queued_bytes: int = 0) -> None:
        self.sent = sent
        self.queued_bytes = queued_bytes
        self.skipped = 3
        self.waits_since_s = 1.0 if queued_bytes else None


class Session:
    subscription_count = 2

    def __init__(self, name: str) -> None:
        self.client = Client(name, Plan(name="pro"))


class Clients:
    """A process's clients; remembers how they were closed."""

    def __init__(self) -> None:
        self.connections = Connections()
        self.closed: list[tuple[str, CloseCode]] = []

    def add(self, name: str, **outbox: int) -> int:
        def end(code: CloseCode, message: str) -> None:
            self.closed.append((name, code))

        origin = Origin("192.0.2.7", "/stream", "stream")
        client = ListedClient(origin, Session(name), Outbox(**outbox), end)
        return self.connections.enter(client)


@pytest.fixture
async def processes(make_layer) -> AsyncIterator[dict[str, Clients]]:
    """Two web processes, each with a layer of its own, that hear questions."""
    found = {"one": Clients(), "two": Clients()}
    layers = {name: make_layer() for name in found}
    tasks = [
        asyncio.create_task(WebAnswers(name, layers[name], item.connections).run())
        for name, item in found.items()
    ]
    async with asyncio.timeout(5):
        await hear(layers["one"], len(found))
    yield found
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def hear(layer, processes: int) -> None:
    """Return when so many processes listen."""
    while await layer.count_listeners(QUESTIONS) < processes:
        pass


async def figures(layer, **wishes) -> dict[str, WebFigures]:
    asked = await ask_processes(
        layer, lambda group: AskFigures(group, **wishes), timeout_s=SOON_S
    )
    assert asked.silent == 0
    return {answer.process: answer for answer in asked.answers}


async def test_all_processes_answer_with_their_figures(processes, make_layer) -> None:
    processes["one"].add("key:desk", sent=5, queued_bytes=70)
    processes["one"].add("", sent=6)

    found = await figures(make_layer())

    assert (found["one"].clients, found["one"].sent) == (2, 11)
    assert found["one"].queued_bytes == 70
    assert found["two"].clients == 0
    assert found["one"].listed == []


async def test_clients_are_listed_worst_first_and_not_all(
    processes, make_layer
) -> None:
    for size in (0, 500, 9, 0):
        processes["two"].add(f"key:{size}", queued_bytes=size)

    found = (await figures(make_layer(), clients=3))["two"]

    assert [item.name for item in found.listed] == ["key:500", "key:9", "key:0"]
    assert found.listed[2].number == 1
    assert found.matching == 4
    worst = found.listed[0]
    assert (worst.address, worst.dialect, worst.plan) == ("192.0.2.7", "stream", "pro")
    assert (worst.subscriptions, worst.skipped) == (2, 3)
    assert worst.behind_s > 0
    assert found.listed[2].behind_s == 0


async def test_clients_are_searched_by_what_they_are(processes, make_layer) -> None:
    processes["one"].add("key:Desk")
    processes["one"].add("key:robot")
    layer = make_layer()

    by_name = (await figures(layer, clients=9, text="dESK"))["one"]
    by_path = (await figures(layer, clients=9, text="/stream"))["one"]

    assert [item.name for item in by_name.listed] == ["key:Desk"]
    assert by_name.matching == 1
    assert by_path.matching == 2


async def test_one_client_of_one_process_is_closed(processes, make_layer) -> None:
    for clients in processes.values():
        clients.add("key:first")
        clients.add("key:second")

    asked = await ask_processes(
        make_layer(), lambda group: AskClose(group, "two", 2), timeout_s=SOON_S
    )

    (answer,) = asked.answers
    assert isinstance(answer, Closed)
    assert (answer.process, answer.client.name) == ("two", "key:second")
    await until(lambda: processes["two"].closed)
    assert processes["two"].closed == [("key:second", CloseCode.CLOSED_BY_STAFF)]
    assert processes["one"].closed == []


async def test_client_that_has_left_is_not_closed(processes, make_layer) -> None:
    number = processes["one"].add("key:desk")
    processes["one"].connections.leave(number)

    asked = await ask_processes(
        make_layer(), lambda group: AskClose(group, "one", number), timeout_s=SOON_S
    )

    assert asked.answers == [Closed("one", None)]


async def test_process_that_says_nothing_is_counted(processes, make_layer) -> None:
    deaf = make_layer()
    await deaf.listen(QUESTIONS, lambda message: None)

    asked = await ask_processes(
        make_layer(), lambda group: AskFigures(group), timeout_s=0.5
    )

    assert asked.silent >= 1
    assert len(asked.answers) + asked.silent == 3


async def test_question_without_redis_fails_and_leaves_nothing(prefix) -> None:
    layer = MarketDataChannelLayer(hosts=["redis://127.0.0.1:1"], prefix=prefix)

    with pytest.raises((RedisError, OSError, TimeoutError)):
        await ask_processes(layer, lambda group: AskFigures(group), timeout_s=0.3)

    assert layer._get_layer().listeners == {}
    await layer.flush()


def test_what_is_no_question_is_refused() -> None:
    with pytest.raises(InvalidLayerMessage):
        decode_question({"type": "market", "body": b"nonsense"})
