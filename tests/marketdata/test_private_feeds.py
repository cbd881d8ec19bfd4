"""Private feeds of sessions that end while something is under way."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from marketdata.broker_credentials import Credentials
from marketdata.effects import Effect, OpenFeed
from marketdata.layers import Listener, Message
from marketdata.private_claims import PrivateClaims
from marketdata.private_feeds import PrivateFeeds
from marketdata.private_messages import (
    PrivateAnswer,
    PrivateClose,
    PrivateOpen,
    decode_private,
    encode_private,
)
from tests.marketdata.polling import until

KEY = b"key of owners"
ALICE, BOB = Credentials({"token": "alice"}), Credentials({"token": "bob"})


class FeedProcess:
    """A control layer with a feed process behind it, which opens all that is asked."""

    def __init__(self) -> None:
        self.may_listen = asyncio.Event()
        self.listeners: dict[str, Listener] = {}
        self.open: set[str] = set()

    async def listen(self, group: str, listener: Listener) -> None:
        await self.may_listen.wait()
        self.listeners[group] = listener

    async def stop_listening(self, group: str) -> None:
        self.listeners.pop(group, None)

    def defer(self, callback: Callable[[], None]) -> None:
        callback()

    def reconnects(self) -> int:
        return 0

    async def group_send_many(self, messages: Sequence[tuple[str, Message]]) -> None:
        for _, message in messages:
            match decode_private(message):
                case PrivateOpen(_, owner):
                    self.open.add(owner)
                    for listener in list(self.listeners.values()):
                        listener(encode_private(PrivateAnswer(owner)))
                case PrivateClose(_, owner):
                    self.open.discard(owner)


@pytest.fixture
def feed_process() -> FeedProcess:
    return FeedProcess()


async def test_session_that_ends_before_the_feed_is_asked_for_leaves_nothing(
    feed_process: FeedProcess,
) -> None:
    feeds = PrivateFeeds(feed_process, KEY)
    ending = asyncio.create_task(feeds.open("oanda", ALICE))
    await asyncio.sleep(0)
    staying = asyncio.create_task(feeds.open("oanda", BOB))
    await asyncio.sleep(0)

    ending.cancel()
    await asyncio.gather(ending, return_exceptions=True)
    feed_process.may_listen.set()
    owner = await staying

    assert feed_process.open == {owner}
    feeds.release(owner)
    await until(lambda: not feed_process.open)
    await feeds.close()


async def test_feed_that_was_replaced_is_released_by_a_session_that_ends(
    feed_process: FeedProcess,
) -> None:
    feed_process.may_listen.set()
    feeds = PrivateFeeds(feed_process, KEY)
    performed: list[Any] = []

    async def perform(effects: Iterable[Effect]) -> None:
        performed.append(effects)
        if len(performed) > 1:
            await asyncio.Event().wait()

    claims = PrivateClaims(feeds, perform)
    claims.open(OpenFeed("oanda", ALICE, lambda result: ()))
    await until(lambda: len(performed) == 1)
    claims.open(OpenFeed("oanda", BOB, lambda result: ()))
    await until(lambda: len(performed) == 2)
    assert len(feed_process.open) == 2
    claims.close()

    await until(lambda: not feed_process.open)
    await feeds.close()
