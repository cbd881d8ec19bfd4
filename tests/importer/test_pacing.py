"""Turns: how many a second, how many at a time."""

import threading
import time

import pytest

from importer.sources.pacing import Pacer, TokenBucket


def no_sleep(seconds: float) -> bool:
    return True


def test_reserve_gives_a_burst_and_then_the_rate():
    bucket = TokenBucket(10, burst=3)

    waits = [bucket.reserve(100.0, longest_s=9) for _ in range(5)]

    assert waits == pytest.approx([0, 0, 0, 0.1, 0.2])


def test_reserve_after_a_pause_gives_the_burst_again_and_no_more():
    bucket = TokenBucket(10, burst=2)
    for _ in range(2):
        bucket.reserve(100.0, longest_s=9)

    waits = [bucket.reserve(200.0, longest_s=9) for _ in range(3)]

    assert waits == pytest.approx([0, 0, 0.1])


def test_reserve_of_a_turn_too_far_off_takes_nothing():
    bucket = TokenBucket(1, burst=1)
    bucket.reserve(100.0, longest_s=0)

    assert bucket.reserve(100.0, longest_s=0.5) is None
    assert bucket.reserve(100.0, longest_s=1) == 1


def test_pause_lets_no_turn_begin_before_its_end():
    bucket = TokenBucket(10, burst=3)

    bucket.pause(100.0, 5)

    assert bucket.reserve(101.0, longest_s=9) == pytest.approx(4)
    assert bucket.reserve(101.0, longest_s=9) == pytest.approx(4.1)


def test_turn_is_held_by_so_many_threads_at_a_time():
    pacer = Pacer(1e6, concurrency=2)
    active, peak = [], []

    def work() -> None:
        with pacer.turn(no_sleep, longest_s=10) as is_ours:
            active.append(is_ours)
            peak.append(len(active))
            time.sleep(0.01)
            active.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(peak) == 8
    assert max(peak) <= 2


def test_turn_without_a_free_place_in_time_is_none():
    pacer = Pacer(1e6, concurrency=1)

    with pacer.turn(no_sleep, longest_s=1), pacer.turn(no_sleep, longest_s=0.01) as no:
        assert no is False


def test_turn_waits_for_the_end_of_a_pause_or_gives_it_up():
    pacer = Pacer(1e6, concurrency=1)
    slept: list[float] = []
    pacer.pause(5)

    with pacer.turn(lambda s: not slept.append(s), longest_s=10) as is_ours:
        assert is_ours is True
    with pacer.turn(no_sleep, longest_s=1) as is_ours:
        assert is_ours is False
    with pacer.turn(lambda s: False, longest_s=10) as is_ours:
        assert is_ours is False

    assert slept == [pytest.approx(5, abs=0.5)]
