import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.line_numbers import Numbers, Placed


def at(epoch, number):
    numbers = Numbers()
    numbers.jump(epoch, number)
    return numbers


@pytest.mark.parametrize(
    ("epoch", "first", "count", "placed", "after"),
    [
        (7, 11, 3, Placed(), (7, 13)),
        (7, 14, 1, Placed(lost=3), (7, 14)),
        (7, 9, 4, Placed(repeated=2), (7, 12)),
        (7, 2, 4, Placed(repeated=4), (7, 10)),
        (8, 1, 2, Placed(), (8, 2)),
        (8, 4, 2, Placed(lost=3), (8, 5)),
        (6, 11, 3, Placed(is_stale=True), (7, 10)),
    ],
)
def test_advance_places_records_behind_number_10(epoch, first, count, placed, after):
    numbers = at(7, 10)

    assert numbers.advance(epoch, first, count) == placed
    assert (numbers.epoch, numbers.number) == after


def test_advance_from_the_unknown_has_lost_nothing():
    numbers = Numbers()

    assert numbers.advance(7, 1_000, 2) == Placed()
    assert (numbers.number, numbers.epoch_text) == (1_001, "7")


@pytest.mark.parametrize(
    ("epoch", "head", "placed", "after"),
    [
        (7, 10, Placed(), (7, 10)),
        (7, 12, Placed(lost=2), (7, 12)),
        (7, 4, Placed(), (7, 10)),
        (8, 0, Placed(), (8, 0)),
        (8, 2, Placed(lost=2), (8, 2)),
        (6, 90, Placed(is_stale=True), (7, 10)),
    ],
)
def test_jump_from_number_10(epoch, head, placed, after):
    numbers = at(7, 10)

    assert numbers.jump(epoch, head) == placed
    assert (numbers.epoch, numbers.number) == after


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 5)), max_size=30))
def test_each_number_is_taken_once_and_what_is_missing_was_counted(batches):
    numbers, taken, lost = at(7, 0), [], 0

    for first, count in batches:
        placed = numbers.advance(7, first, count)
        taken += range(first + placed.repeated, first + count)
        lost += placed.lost

    assert taken == sorted(set(taken))
    assert len(taken) + lost == numbers.number
