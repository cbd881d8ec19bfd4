"""Fakes that record: a feed that does what it is told, a layer, a recorder."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from brokers.exceptions import FeedLost
from brokers.feed import Emit, FeedCounters, FollowedInstrument
from marketdata.layer_messages import Gaps, ToldGap, decode_message
from marketdata.records import OrderBook, Record, Tick, Trade


class FakeFeed:
    """Emits ``records`` on each connection, then raises the next of ``ends``.

    Without ``ends`` left it stays connected and silent.
    """

    broker = "fake"
    is_simulated = False

    def __init__(self, *ends: Exception) -> None:
        self.counters = FeedCounters()
        self.records: list[Record] = []
        self.ends = deque(ends)
        self.connections = 0
        self.followed: list[Sequence[FollowedInstrument]] = []

    def follow(self, instruments: Sequence[FollowedInstrument]) -> None:
        self.followed.append(instruments)

    async def run(self, emit: Emit) -> None:
        self.connections += 1
        for record in self.records:
            self.counters.received += 1
            emit([record])
        await asyncio.sleep(0)
        if self.ends:
            raise self.ends.popleft()
        await asyncio.Event().wait()
        raise FeedLost("never")


class FakeLayer:
    """Keeps what is published as (group, epoch, number, record), and told gaps.

    It can be away.
    """

    def __init__(self) -> None:
        self.published: list[tuple[str, int, int, Record]] = []
        self.gaps: list[ToldGap] = []
        self.is_away = False

    async def group_send_many(
        self, messages: Sequence[tuple[str, dict[str, Any]]]
    ) -> None:
        if self.is_away:
            raise ConnectionError("away")
        for group, message in messages:
            batch = decode_message(message)
            if isinstance(batch, Gaps):
                self.gaps.extend(batch.gaps)
                continue
            for number, record in enumerate(batch.records, batch.first):
                self.published.append((group, batch.epoch, number, record))


class FakeRecorder:
    """Keeps what it is given; ``drains`` False does not end draining."""

    def __init__(self, *, drains: bool = True) -> None:
        self.rows: list[tuple[Record, int, int]] = []
        self.is_drained = False
        self._drains = drains

    @property
    def counters(self) -> "FakeRecorder":
        return self

    @property
    def stored(self) -> int:
        return len(self.rows)

    dropped = 0
    skipped = 3
    duplicates = 0
    replayed = 0

    def append(self, record: Tick | Trade, epoch: int, number: int) -> None:
        self.rows.append((record, epoch, number))

    async def drain(self) -> bool:
        if not self._drains:
            await asyncio.Event().wait()
        self.is_drained = True
        return True


def tick(bid: float = 1.0, symbol: str = "EURUSD", time_us: int = 1) -> Tick:
    return Tick(
        broker="fake",
        symbol=symbol,
        time_us=time_us,
        received_us=2,
        bid=bid,
        ask=bid + 1,
    )


def trade(price: float = 1.0) -> Trade:
    return Trade(
        broker="fake", symbol="EURUSD", time_us=1, received_us=2, price=price, size=1.0
    )


def book() -> OrderBook:
    return OrderBook(
        broker="fake",
        symbol="EURUSD",
        time_us=1,
        received_us=2,
        bids=((1.0, 1.0),),
        asks=((2.0, 1.0),),
        is_snapshot=True,
    )
