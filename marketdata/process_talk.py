"""Asks all processes of the server and gathers their answers; and the other side."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Protocol
from uuid import uuid4

import structlog
from redis.exceptions import RedisError

from marketdata.demands import ControlLayer
from marketdata.exceptions import InvalidLayerMessage
from marketdata.layers import Message
from marketdata.membership import GroupLayer, Membership
from marketdata.process_messages import (
    QUESTIONS,
    Answer,
    Closed,
    Question,
    decode_answer,
    decode_question,
    encode_process,
)

# A process answers in some ms; one that is stopped or stuck for a while does not.
ANSWER_TIMEOUT_S = 1.0
MAX_ANSWERS_ON_WAY = 20  # of one process: who asks more often than Redis takes waits

log = structlog.get_logger(__name__)


class Layer(GroupLayer, ControlLayer, Protocol):
    """What is needed of the control layer to answer."""


class CountingLayer(Layer, Protocol):
    """What is needed of the control layer to ask."""

    async def count_listeners(self, group: str) -> int:
        """Return how many processes listen to the group."""


class Asked(NamedTuple):
    """The answers that came, and how many processes were asked and said nothing."""

    answers: list[Answer]
    silent: int


async def ask_processes(
    layer: CountingLayer,
    question: Callable[[str], Question],
    *,
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> Asked:
    """Ask; return when all have answered, one has closed what is to be, or in time.

    ``question`` makes it of the group that answers go to.

    Raises:
        redis.exceptions.RedisError, OSError, TimeoutError: Redis is away.
    """
    group = f"md.answers.{uuid4().hex}"
    answers: list[Answer] = []
    changed = asyncio.Event()

    def hear(message: Message) -> None:
        answers.append(decode_answer(message))
        changed.set()

    try:
        async with asyncio.timeout(2 * timeout_s):
            await layer.listen(group, hear)
            expected = await layer.count_listeners(QUESTIONS)
            await layer.group_send_many([(QUESTIONS, encode_process(question(group)))])
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while len(answers) < expected and not _is_done(answers):
                    changed.clear()
                    await changed.wait()
    finally:
        await layer.stop_listening(group)
    return Asked(answers, max(0, expected - len(answers)))


def _is_done(answers: list[Answer]) -> bool:
    return any(isinstance(answer, Closed) for answer in answers)


class Answering:
    """A process's ear: ``answer`` returns what to say to a question, None for nothing.

    Belongs to one event loop; only one of a loop is heard.
    """

    def __init__(
        self, layer: Layer, answer: Callable[[Question], Answer | None]
    ) -> None:
        self._layer = layer
        self._answer = answer
        self._membership = Membership(layer)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Listen from now on, and again after each loss of Redis."""
        self._membership.join(QUESTIONS, self._hear)

    async def close(self) -> None:
        """Listen no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._membership.close()

    def _hear(self, message: Message) -> None:
        try:
            question = decode_question(message)
        except InvalidLayerMessage as exc:
            log.warning("question cannot be read", error=str(exc))
            return
        if len(self._tasks) >= MAX_ANSWERS_ON_WAY:
            return
        answer = self._answer(question)
        if answer is None:
            return
        task = asyncio.create_task(self._send(question.reply_to, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, group: str, answer: Answer) -> None:
        try:
            await self._layer.group_send_many([(group, encode_process(answer))])
        except (RedisError, OSError) as exc:
            log.warning("cannot answer a question", error=str(exc))
