"""Reading in threads: order, bound, errors."""

import threading

import pytest

from importer.read_ahead import DAYS_AHEAD, read_ahead


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
