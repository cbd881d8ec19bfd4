"""Clients of the chaos: WebSockets through the web process, every frame looked at."""

import asyncio
import json
from array import array
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec
import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from benchmarks.chaos_market import TICK, TRADE
from marketdata.numbering import parse_epoch

TYPES = ("tick", "trade")
REPLY_TIMEOUT_S = 20.0
# Of what the broker never gave us, beside records that were lost on their way.
UPSTREAM_GAP = "the broker's records are missing"


class ToldGap(NamedTuple):
    """A gap as a client heard of it, in ms."""

    kind: int
    place: int
    from_ms: int
    to_ms: int


class _Numbers(msgspec.Struct, frozen=True):
    volume: float = 0.0


class _Inner(msgspec.Struct, frozen=True):
    type: str = ""
    data: _Numbers = _Numbers()


class _Frame(msgspec.Struct, frozen=True):
    type: str
    code: str = ""
    symbol: str = ""
    data_type: str = ""
    message: str = ""
    seq: int = 0
    epoch: str = ""
    phase: str = ""
    skipped: int = 0
    from_ms: int = msgspec.field(name="from", default=0)
    to_ms: int = msgspec.field(name="to", default=0)
    data: _Inner = _Inner()


_decode = msgspec.json.Decoder(_Frame).decode


class Heard:
    """What a client heard of topics, and whether their numbers told the truth. Pure.

    ``lies`` are frames whose number neither follows the one before in its epoch nor
    comes behind a ``GAP``; ``holes`` those that do the latter.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        self.lies: list[str] = []
        self.holes = 0
        self.downs = 0
        self.ups = 0
        self.epochs: set[int] = set()
        self.gaps: set[ToldGap] = set()
        self._places = {symbol: place for place, symbol in enumerate(symbols)}
        self._last: dict[tuple[int, int], tuple[int, int]] = {}
        self._told: set[tuple[int, int]] = set()
        self._columns = [array("q") for _ in range(5)]

    @property
    def frames(self) -> int:
        """Data frames so far."""
        return len(self._columns[0])

    def columns(self) -> np.ndarray:
        """Return rows of kind, place, epoch, seq and the event's number."""
        return np.array([np.frombuffer(item, dtype="q") for item in self._columns]).T

    def take(self, text: bytes | str) -> None:
        """Look at a frame."""
        frame = _decode(text)
        if frame.type == "data" and not frame.phase:
            self._take_data(frame)
        elif frame.code == "GAP":
            kind, place = TYPES.index(frame.data_type), self._place(frame)
            self._told.add((kind, place))
            if frame.message.startswith(UPSTREAM_GAP):
                self.gaps.add(ToldGap(kind, place, frame.from_ms, frame.to_ms))
        elif frame.code == "FEED_DOWN":
            self.downs += 1
        elif frame.code == "FEED_UP":
            self.ups += 1
        elif frame.type == "error":
            self.lies.append(str(text))

    def _take_data(self, frame: _Frame) -> None:
        kind, place = TYPES.index(frame.data.type), self._place(frame)
        topic, epoch = (kind, place), parse_epoch(frame.epoch)
        last_epoch, last = self._last.get(topic, (epoch, frame.seq - 1))
        expected = last + 1 + frame.skipped if epoch == last_epoch else 1
        if epoch < last_epoch or frame.seq < expected:
            self._lie(frame, expected)
        elif frame.seq > expected:
            if topic in self._told:
                self.holes += 1
            else:
                self._lie(frame, expected)
        self._told.discard(topic)
        self._last[topic] = epoch, frame.seq
        self.epochs.add(epoch)
        number = int(frame.data.data.volume)
        row = kind, place, epoch, frame.seq, number
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)

    def _place(self, frame: _Frame) -> int:
        return self._places[frame.symbol.replace("/", "")]

    def _lie(self, frame: _Frame, expected: int) -> None:
        found = f"{frame.epoch}:{frame.seq} of {frame.data.type} {frame.symbol}"
        self.lies.append(f"expected number {expected}, found {found}")


class Client:
    """Follows one type of some symbols; ``heard`` grows while it runs."""

    def __init__(self, symbols: Sequence[str], kind: int, every: Sequence[str]) -> None:
        self.heard = Heard(every)
        self._symbols = symbols
        self._kind = kind
        self._is_subscribed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, address: str) -> None:
        """Connect and follow; returns when the server has agreed."""
        self._task = asyncio.create_task(self._run(address))
        async with asyncio.timeout(REPLY_TIMEOUT_S):
            await self._is_subscribed.wait()

    async def stop(self) -> None:
        """Close."""
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self, address: str) -> None:
        request = {
            "action": "subscribe",
            "symbols": self._symbols,
            "broker": "binance",
            "types": [TYPES[self._kind]],
            "snapshot": False,
            "id": "all",
        }
        async with connect(address, proxy=None, compression=None) as socket:
            await socket.send(json.dumps(request))
            while (reply := json.loads(await socket.recv())).get("id") != "all":
                pass
            if len(reply.get("accepted", ())) == len(self._symbols):
                self._is_subscribed.set()
            try:
                async for text in socket:
                    self.heard.take(text)
            except ConnectionClosed as exc:
                self.heard.lies.append(f"connection closed: {exc}")


def make_clients(symbols: Sequence[str], trading: int) -> list[Client]:
    """Return four clients that share all ticks, and one of the first 50 trades."""
    quarter = -(-len(symbols) // 4)
    shares = [symbols[at : at + quarter] for at in range(0, len(symbols), quarter)]
    clients = [Client(share, TICK, symbols) for share in shares]
    return [*clients, Client(symbols[: min(trading, 50)], TRADE, symbols)]
