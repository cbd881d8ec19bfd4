import random

import pytest
from msgspec import structs

from marketdata.books import MAX_LEVELS, Book
from tests.marketdata.samples import BOOK


def change(bids=(), asks=(), **fields):
    return structs.replace(
        BOOK, bids=tuple(bids), asks=tuple(asks), is_snapshot=False, **fields
    )


@pytest.fixture
def book():
    return Book()


def test_whole_of_an_unknown_book_is_none_whatever_changed(book):
    book.apply(change([(1.0, 1.0)]))

    assert book.whole() is None
    assert not book.is_known


def test_whole_of_whole_records_is_the_last_one_itself(book):
    book.apply(BOOK)
    book.apply(last := structs.replace(BOOK, last_id=13))

    assert book.whole() is last


def test_whole_has_the_changed_levels_best_first_and_the_newest_times(book):
    book.apply(BOOK)
    book.apply(change([(42_000.105, 3.0), (42_000.1, 0.0)], time_us=9, last_id=13))
    book.apply(change([], [(42_000.12, 0.5), (42_000.13, 4.0)], time_us=10, last_id=14))

    whole = book.whole()

    assert whole.bids == ((42_000.11, 1.5), (42_000.105, 3.0))
    assert whole.asks == ((42_000.12, 0.5), (42_000.13, 4.0))
    assert (whole.is_snapshot, whole.time_us) == (True, 10)
    assert (whole.first_id, whole.last_id) == (None, 14)
    assert book.whole() is whole


def test_whole_is_bounded(book):
    book.apply(BOOK)
    book.apply(change([(n + 1.0, 1.0) for n in range(2 * MAX_LEVELS)]))

    whole = book.whole()

    assert len(whole.bids) == MAX_LEVELS
    assert whole.bids[0] == (42_000.11, 1.5)


def test_changes_of_levels_that_are_not_there_are_nothing(book):
    book.apply(BOOK)
    book.apply(change([(1.0, 0.0)]))

    assert book.whole().bids == BOOK.bids


def test_forgotten_book_is_unknown_until_the_next_whole_one(book):
    book.apply(BOOK)
    book.apply(change([(1.0, 1.0)]))
    book.forget()
    book.apply(change([(2.0, 1.0)]))
    assert book.whole() is None

    book.apply(BOOK)

    assert book.whole() == BOOK


def test_random_changes_come_to_what_a_plain_dict_says(book):
    rng = random.Random(4)
    book.apply(BOOK)
    bids, asks = dict(BOOK.bids), dict(BOOK.asks)
    for _ in range(500):
        rows = [(float(rng.randrange(100)), float(rng.randrange(3))) for _ in range(5)]
        book.apply(change(rows[:3], rows[3:]))
        bids.update(rows[:3])
        asks.update(rows[3:])

    whole = book.whole()

    assert dict(whole.bids) == {price: size for price, size in bids.items() if size}
    assert dict(whole.asks) == {price: size for price, size in asks.items() if size}
    assert list(whole.bids) == sorted(whole.bids, reverse=True)
    assert list(whole.asks) == sorted(whole.asks)
