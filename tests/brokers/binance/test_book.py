import json
import random

import pytest

from brokers.binance.answers import parse_depth
from brokers.binance.book import Hole, LocalBook
from brokers.binance.messages import parse_frame
from marketdata.books import Book
from marketdata.records import OrderBook
from tests.brokers.binance.recorded_books import (
    TrueBook,
    recorded_answers,
    recorded_changes,
)

ANSWERS = recorded_answers()
CHANGES = recorded_changes()
SYMBOLS = sorted(ANSWERS)
NOW_US = 1_800_000_000_000_000


def change(frame: str) -> OrderBook:
    symbol = json.loads(frame)["data"]["s"]
    found = parse_frame(frame.encode(), NOW_US, {symbol: symbol})
    assert isinstance(found, OrderBook)
    return found


def whole(answer: dict, symbol: str) -> OrderBook:
    return parse_depth(json.dumps(answer).encode(), symbol, NOW_US)


def small(first_id: int, last_id: int, price: float = 1.0) -> OrderBook:
    return OrderBook(
        broker="binance",
        symbol="X",
        time_us=first_id,
        received_us=first_id,
        bids=((price, 1.0),),
        asks=(),
        is_snapshot=False,
        first_id=first_id,
        last_id=last_id,
    )


def start(last_id: int) -> OrderBook:
    return OrderBook(
        broker="binance",
        symbol="X",
        time_us=1,
        received_us=1,
        bids=((9.0, 1.0),),
        asks=(),
        is_snapshot=True,
        last_id=last_id,
    )


def assert_equal(book: Book, true: TrueBook) -> None:
    found = book.whole()
    assert found is not None
    bids, asks = true.levels(5_000)
    assert (list(found.bids), list(found.asks)) == (bids, asks)
    assert found.last_id == true.last_id


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_recorded_book_equals_the_one_computed_independently(symbol: str) -> None:
    true, local, told = TrueBook(ANSWERS[symbol]), LocalBook(), Book()
    frames = CHANGES[symbol]
    # The recorded book is from among the first changes.
    early = [item for item in frames if change(item).first_id <= true.last_id + 1]
    for frame in early:
        assert local.take(change(frame)) is None
    made = local.start(whole(ANSWERS[symbol], symbol))
    assert made is not None
    told.apply(made)

    for frame in frames:
        true.apply(json.loads(frame)["data"])
    for frame in frames[len(early) :]:
        record = local.take(change(frame))
        assert isinstance(record, OrderBook)
        told.apply(record)

    assert_equal(told, true)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_cut_frames_are_found_and_the_book_healed(symbol: str, seed: int) -> None:
    chance = random.Random(seed)
    true, local, told = TrueBook(ANSWERS[symbol]), LocalBook(), Book()
    missing = 0
    found = 0
    due_in = 0
    for frame in CHANGES[symbol]:
        payload = json.loads(frame)["data"]
        if payload["u"] <= true.last_id:
            continue
        true.apply(payload)
        if chance.random() < 0.15:
            missing += not local.is_due
            continue
        record = local.take(change(frame))
        if isinstance(record, Hole):
            found += 1
            due_in = chance.randrange(4)
        elif isinstance(record, OrderBook):
            told.apply(record)
        if local.is_due:
            due_in -= 1
            # An answer may be older than what waits, and another is asked for then.
            if due_in < 0 and (made := local.start(whole(true.answer(), symbol))):
                told.apply(made)
    if local.is_due or told.whole().last_id != true.last_id:
        local = LocalBook()
        told.apply(local.start(whole(true.answer(), symbol)))

    assert_equal(told, true)
    assert bool(found) <= bool(missing)


def test_changes_wait_for_the_whole_book_and_old_ones_are_dropped() -> None:
    book = LocalBook()
    assert [book.take(small(5, 6, 5.0)), book.take(small(7, 9, 7.0))] == [None, None]

    made = book.start(start(6))

    assert made is not None
    assert made.bids == ((9.0, 1.0), (7.0, 1.0))
    assert (made.is_snapshot, made.last_id) == (True, 9)
    assert not book.is_due


def test_first_change_may_begin_inside_the_whole_book() -> None:
    book = LocalBook()
    book.take(small(5, 8))

    assert book.start(start(6)).last_id == 8


def test_whole_book_that_is_older_than_what_waits_is_refused() -> None:
    book = LocalBook()
    book.take(small(8, 9))

    assert book.start(start(6)) is None
    assert book.is_due
    assert book.start(start(7)).last_id == 9


def test_hole_names_the_missing_updates_and_asks_for_a_book() -> None:
    book = LocalBook()
    book.start(start(6))
    book.take(small(7, 8))

    assert book.take(small(12, 13)) == Hole(9, 11, 7, 12)
    assert book.is_due
    assert book.take(small(14, 14)) is None
    assert book.start(start(11)).last_id == 14


def test_repeated_changes_are_dropped() -> None:
    book = LocalBook()
    book.start(start(6))

    assert book.take(small(7, 8)) == small(7, 8)
    assert book.take(small(7, 8)) is None
    assert book.take(small(5, 6)) is None
    assert book.take(small(9, 9)) == small(9, 9)
