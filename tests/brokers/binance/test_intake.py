import random
from typing import cast

import pytest

from brokers.binance.books import Books
from brokers.binance.connection import Connection
from brokers.binance.intake import Intake
from brokers.binance.rest import BinanceRest
from brokers.feed import FeedCounters, UpstreamGap
from marketdata.records import OrderBook, Record, Trade
from tests.brokers.recordings import SYMBOLS, recorded_frames, shape_frames

FRAMES = [frame.encode() for frame in recorded_frames()]
ALL = {name: name for name in [*SYMBOLS, "BTCUSDT", "ETHBTC", "GTOBTC"]}


class Rig:
    """An intake that keeps its records; with books that are never fetched."""

    def __init__(self, *, with_books: bool) -> None:
        self.counters = FeedCounters()
        self.records: list[Record] = []
        self.gaps: list[UpstreamGap] = []
        self.books = Books(BinanceRest("http://127.0.0.1:1"), self.gaps.append)
        books = self.books if with_books else None
        self.intake = Intake(self.counters, self.records.extend, books)
        self.intake.symbols = ALL
        self.connection = Connection("ws://127.0.0.1:1", {}, lambda streams: None)

    def take(self, frame: bytes) -> None:
        self.intake.take(self.connection, frame)

    @property
    def uncounted(self) -> int:
        """Frames that gave neither a record nor a figure."""
        counted = self.counters
        return (
            counted.received
            - len(self.records)
            - (
                counted.malformed
                + counted.unknown_symbols
                + counted.unknown_events
                + counted.no_quotes
                + counted.repeated
            )
        )


def damage(frame: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(frame)
    place, length = chance.randrange(len(damaged)), chance.randrange(1, 20)
    match chance.randrange(4):
        case 0:
            del damaged[place:]
        case 1:
            damaged[place] = chance.randrange(256)
        case 2:
            del damaged[place : place + length]
        case 3:
            damaged[place:place] = damaged[-length:]
    return bytes(damaged)


def test_truncated_frames_are_malformed_one_by_one() -> None:
    rig = Rig(with_books=False)
    chance = random.Random(1)

    for frame in FRAMES:
        rig.take(frame[: chance.randrange(len(frame))])

    assert rig.counters.received == rig.counters.malformed == len(FRAMES)
    assert rig.records == []


@pytest.mark.parametrize("with_books", [False, True])
def test_garbled_frames_of_all_recordings_are_counted(with_books: bool) -> None:
    rig = Rig(with_books=with_books)
    chance = random.Random(2)
    shapes = [frame.encode() for frame in shape_frames()]

    for frame in (FRAMES + shapes) * 2:
        rig.take(damage(frame, chance))

    assert rig.counters.received == 2 * len(FRAMES + shapes)
    assert rig.counters.malformed > len(FRAMES)
    if not with_books:  # else changes wait for their book
        assert 0 <= rig.uncounted <= 2 * len(shapes)


def test_reordered_frames_are_counted_and_told_in_order() -> None:
    rig = Rig(with_books=False)
    frames = FRAMES[:]
    random.Random(3).shuffle(frames)

    for frame in frames:
        rig.take(frame)

    assert rig.uncounted == 0
    assert rig.counters.repeated > 1_000
    last: dict[tuple[type, str], int] = {}
    for record in rig.records:
        number = getattr(record, "trade_id", None) or getattr(record, "last_id", None)
        if number is not None:
            key = type(record), record.symbol
            assert number > last.get(key, -1)
            last[key] = number


def test_frames_that_come_twice_are_told_once() -> None:
    rig = Rig(with_books=False)

    for frame in FRAMES:
        rig.take(frame)
    once = len(rig.records)
    klines = sum(b"@kline" in frame for frame in FRAMES)
    for frame in FRAMES:
        rig.take(frame)

    # Candles have no number: the newer one just replaces the older.
    assert len(rig.records) == once + klines
    assert rig.counters.repeated == len(FRAMES) - klines


def test_changes_are_not_told_before_their_book() -> None:
    rig = Rig(with_books=True)

    for frame in FRAMES:
        rig.take(frame)

    assert not [item for item in rig.records if isinstance(item, OrderBook)]
    assert rig.gaps == []


def test_each_trade_is_told_of() -> None:
    rig = Rig(with_books=False)
    trades: list[Trade] = []
    rig.intake.on_trade = trades.append

    for frame in FRAMES:
        rig.take(frame)

    found = [item for item in rig.records if isinstance(item, Trade)]
    assert cast(list[Record], trades) == found
    assert len(trades) == 52


def test_replies_to_a_socket_that_is_not_in_use_are_known() -> None:
    rig = Rig(with_books=False)

    assert rig.intake.is_reply(rig.connection, b'{"result":null,"id":1}')
    assert not rig.intake.is_reply(rig.connection, FRAMES[0])
    assert not rig.intake.is_reply(rig.connection, b"garbage")
    assert rig.counters.received == 0
    rig.take(FRAMES[0])
    assert len(rig.records) == 1
