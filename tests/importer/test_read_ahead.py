"""Reading in threads: order, bound, errors."""

import threading

import pytest

from importer import read_ahead as module
from importer.read_ahead import DAYS_AHEAD


def read_ahead(jobs, read, *, threads=2, give_up=lambda: None):
    return module.read_ahead(jobs, read, threads=threads, give_up=give_up)


def test_read_ahead_gives_results_in_order_of_jobs_and_hours():
    jobs = [("a", [3, 1, 2]), ("b", []), ("c", [9])]

    results = [(job, list(part)) for job, part in read_ahead(jobs, lambda x: x * 10)]

    assert results == [("a", [30, 10, 20]), ("b", []), ("c", [90])]


def test_read_ahead_draws_only_so_many_jobs_before_their_turn():
    drawn = []

    def jobs():
        for number in range(20):
            drawn.append(number)
            yield number, [number]

    for job, part in read_ahead(jobs(), lambda hour: hour):
        assert list(part) == [job]
        assert len(drawn) <= job + 1 + DAYS_AHEAD


def test_read_ahead_reads_in_other_threads():
    jobs = read_ahead([("a", [1])], lambda _: threading.current_thread().name)

    names = [name for _, part in jobs for name in part]

    assert names[0].startswith("import-read")


def test_read_ahead_raises_where_the_result_is_taken():
    def read(hour):
        if hour == 2:
            raise ValueError("two")
        return hour

    jobs = read_ahead([("a", [1, 2])], read)
    _, part = next(jobs)

    assert next(part) == 1
    with pytest.raises(ValueError, match="two"):
        next(part)


def test_read_ahead_that_is_left_early_reads_no_more():
    read = []

    for _, part in read_ahead(((n, range(n, n + 1)) for n in range(100)), read.append):
        next(part)
        break

    assert len(read) <= DAYS_AHEAD + 1


def test_read_ahead_reads_in_as_many_threads_as_it_is_told():
    together = threading.Barrier(5, timeout=10)

    jobs = read_ahead([("a", range(5))], lambda _: together.wait(), threads=5)

    assert sorted(rank for _, part in jobs for rank in part) == [0, 1, 2, 3, 4]


def test_read_ahead_that_is_left_early_ends_reads_that_wait():
    given_up = threading.Event()

    def read(hour):
        return hour if hour == 0 else given_up.wait(60)

    for _, part in read_ahead([("a", range(9))], read, give_up=given_up.set):
        assert next(part) == 0
        break

    assert given_up.is_set()


def test_read_ahead_to_the_end_gives_nothing_up():
    given_up = threading.Event()

    for _, part in read_ahead([("a", [1])], lambda hour: hour, give_up=given_up.set):
        list(part)

    assert not given_up.is_set()
