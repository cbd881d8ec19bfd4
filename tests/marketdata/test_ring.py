from marketdata.effects import Position
from marketdata.ring import Ring, Stretch
from marketdata.wire import Batch
from tests.marketdata.samples import tick


def stretch(first, count, *, epoch=7, time_s=0.0):
    item = Stretch(epoch, first, [tick(first + n) for n in range(count)], time_s)
    item.batches["any"] = [Batch([b"x" * 200] * count)]
    return item


def found(ring, number, *, epoch=7, head):
    result = ring.since(Position(epoch, number), head=head)
    return None if result is None else [(item.first, index) for item, index in result]


def test_since_begins_within_the_stretch_that_holds_the_position():
    ring = Ring()
    for first in (1, 4, 7):
        ring.append(stretch(first, 3))

    assert found(ring, 0, head=9) == [(1, 0), (4, 0), (7, 0)]
    assert found(ring, 3, head=9) == [(4, 0), (7, 0)]
    assert found(ring, 5, head=9) == [(4, 2), (7, 0)]
    assert found(ring, 8, head=9) == [(7, 2)]


def test_since_before_the_oldest_stretch_is_not_covered():
    ring = Ring()
    ring.append(stretch(5, 2))

    assert found(ring, 4, head=6) == [(5, 0)]
    assert found(ring, 3, head=6) is None
    assert found(Ring(), 3, head=6) is None


def test_since_over_a_hole_is_not_covered():
    ring = Ring()
    ring.append(stretch(1, 3))
    ring.append(stretch(6, 2))

    assert found(ring, 2, head=7) is None
    assert found(ring, 5, head=7) == [(6, 0)]


def test_since_is_not_covered_if_the_newest_were_lost():
    ring = Ring()
    ring.append(stretch(1, 3))

    assert found(ring, 1, head=5) is None


def test_since_in_another_epoch_is_not_covered():
    ring = Ring()
    ring.append(stretch(1, 3, epoch=7))
    ring.append(stretch(1, 3, epoch=8))

    assert found(ring, 2, epoch=7, head=3) is None
    assert found(ring, 0, epoch=8, head=3) == [(1, 0)]
    assert found(ring, 4, epoch=9, head=3) is None


def test_stretches_that_are_too_old_are_forgotten():
    ring = Ring(max_age_s=10.0)
    for first in range(1, 6):
        ring.append(stretch(first, 1, time_s=4.0 * first))

    assert found(ring, 1, head=5) is None
    assert found(ring, 2, head=5) == [(3, 0), (4, 0), (5, 0)]


def test_bytes_are_bounded():
    size = stretch(1, 10).size
    ring = Ring(max_bytes=3 * size)

    for first in range(1, 101, 10):
        ring.append(stretch(first, 10))

    assert ring.size == 3 * size
    assert found(ring, 70, head=100) == [(71, 0), (81, 0), (91, 0)]


def test_stretch_that_is_larger_than_the_ring_is_not_kept():
    ring = Ring(max_bytes=100)

    ring.append(stretch(1, 10))

    assert ring.size == 0
    assert found(ring, 0, head=10) is None
