"""Private feeds of a process's clients: opened, kept open, handed over again, closed.

Credentials are here, in memory, while a session uses the feed; they are sent over the
control layer, to the feed process of their broker.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Protocol
from uuid import uuid4

import structlog
from redis.exceptions import RedisError

from marketdata.broker_credentials import Credentials
from marketdata.demands import ControlLayer
from marketdata.exceptions import BrokerAuthFailed, InvalidLayerMessage
from marketdata.layers import Message
from marketdata.membership import GroupLayer, Membership
from marketdata.private_messages import (
    PrivateAnswer,
    PrivateClose,
    PrivateHello,
    PrivateMessage,
    PrivateOpen,
    answer_group,
    decode_private,
    encode_private,
    hello_group,
    private_group,
)

OPEN_TIMEOUT_S = 15.0  # a feed process gives a broker 10 s to answer
REPEAT_S = 10.0  # a feed process forgets after 30 s what nobody repeats
# Until there is an answer: the feed process may just be starting.
RETRY_S = 1.0
JOIN_TIMEOUT_S = 1.0

log = structlog.get_logger(__name__)


class Layer(GroupLayer, ControlLayer, Protocol):
    """What is needed of the layer that carries control messages."""


class _Held:
    """A private feed that sessions of this process use, ``users`` of them."""

    def __init__(self, broker: str, credentials: Credentials, due_s: float) -> None:
        self.broker = broker
        self.credentials = credentials
        self.users = 0
        self.is_open = False
        self.due_s = due_s
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class PrivateFeeds:
    """The private feeds of one process, by owner; belongs to one event loop.

    ``key`` names owners, see `Credentials.owner`.
    """

    def __init__(
        self, control: Layer, key: bytes, *, timeout_s: float = OPEN_TIMEOUT_S
    ) -> None:
        self._hub = uuid4().hex
        self._layer = control
        self._membership = Membership(control)
        self._key = key
        self._timeout_s = timeout_s
        self._held: dict[str, _Held] = {}
        self._closing: dict[str, str] = {}  # broker by owner
        self._wake = asyncio.Event()
        self._is_away = False
        self._task: asyncio.Task[None] | None = None

    async def open(self, broker: str, credentials: Credentials) -> str:
        """Open a feed, or use it too if it is open; return its owner.

        ``release`` it once.

        Raises:
            BrokerAuthFailed: it could not be opened.
        """
        owner = credentials.owner(self._key, broker)
        held = self._held.get(owner) or self._hold(owner, broker, credentials)
        held.users += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                if held.users == 1:
                    await self._ask(broker)
                await asyncio.shield(held.answer)
        except BaseException as exc:
            self.release(owner, held)
            if isinstance(exc, TimeoutError):
                reason = f"no feed of {broker} answers"
                raise BrokerAuthFailed(f"Authentication failed: {reason}") from None
            raise
        return owner

    def release(self, owner: str, held: _Held | None = None) -> None:
        """Use a feed no more; it is closed when nobody does."""
        held = held or self._held[owner]
        held.users -= 1
        if held.users or self._held.get(owner) is not held:
            return
        self._forget(owner)
        self._closing[owner] = held.broker
        self._wake.set()

    async def close(self) -> None:
        """Close all feeds, as far as Redis can be reached."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for owner, held in self._held.items():
            self._closing[owner] = held.broker
        self._held.clear()
        if self._closing:
            await self._send()
        await self._membership.close()

    def _hold(self, owner: str, broker: str, credentials: Credentials) -> _Held:
        now_s = asyncio.get_running_loop().time()
        held = self._held[owner] = _Held(broker, credentials, now_s)
        self._closing.pop(owner, None)
        self._start()
        if sum(item.broker == broker for item in self._held.values()) == 1:
            self._membership.join(hello_group(broker), self._receive)
        return held

    async def _ask(self, broker: str) -> None:
        """Have the feed process asked, once its answer will be heard."""
        groups = answer_group(self._hub), hello_group(broker)
        try:
            with contextlib.suppress(KeyError):  # released again meanwhile
                await self._membership.wait_for(groups, timeout_s=JOIN_TIMEOUT_S)
        finally:
            self._wake.set()

    def _forget(self, owner: str) -> None:
        broker = self._held.pop(owner).broker
        if all(item.broker != broker for item in self._held.values()):
            self._membership.leave(hello_group(broker))

    def _start(self) -> None:
        if self._task is None:
            self._membership.join(answer_group(self._hub), self._receive)
            self._task = asyncio.create_task(self._run(), name="private feeds")

    def _receive(self, message: Message) -> None:
        try:
            content = decode_private(message)
        except InvalidLayerMessage as exc:
            log.warning("message of a feed cannot be read", error=str(exc))
            return
        match content:
            case PrivateAnswer(owner, reason) if owner in self._held:
                self._take_answer(self._held[owner], owner, reason)
            case PrivateHello(broker):
                now_s = asyncio.get_running_loop().time()
                for held in self._held.values():
                    if held.broker == broker:
                        held.due_s = now_s
                self._wake.set()

    def _take_answer(self, held: _Held, owner: str, reason: str | None) -> None:
        if held.answer.done():
            return
        if reason is None:
            held.is_open = True
            held.answer.set_result(None)
            return
        # Whoever comes later asks anew. Who waits releases what it holds.
        self._forget(owner)
        held.answer.set_exception(BrokerAuthFailed(f"Authentication failed: {reason}"))
        held.answer.exception()  # read: nobody may be waiting any more

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S if self._held else None):
                    await self._wake.wait()
            self._wake.clear()
            if not await self._send():
                await asyncio.sleep(RETRY_S / 2)
                self._wake.set()

    async def _send(self) -> bool:
        """Send what is due; False if that failed, then it stays due."""
        closing, self._closing = self._closing, {}
        now_s = asyncio.get_running_loop().time()
        due = {owner: held for owner, held in self._held.items() if held.due_s <= now_s}
        messages = list(self._messages(closing, due))
        if not messages:
            return True
        try:
            await self._layer.group_send_many(
                [(group, encode_private(content)) for group, content in messages]
            )
        except (RedisError, OSError) as exc:
            if not self._is_away:
                log.warning("cannot reach private feeds", error=str(exc))
            self._is_away = True
            for owner in closing.keys() - self._held:
                self._closing[owner] = closing[owner]
            return False
        self._is_away = False
        for held in due.values():
            held.due_s = now_s + (REPEAT_S if held.is_open else RETRY_S)
        return True

    def _messages(
        self, closing: dict[str, str], due: dict[str, _Held]
    ) -> Iterator[tuple[str, PrivateMessage]]:
        for owner, broker in closing.items():
            yield private_group(broker), PrivateClose(self._hub, owner)
        for owner, held in due.items():
            yield (
                private_group(held.broker),
                PrivateOpen(self._hub, owner, held.credentials, held.is_open),
            )
