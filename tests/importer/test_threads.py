"""Threads that work in order, and end clean."""

import threading
import time
from concurrent.futures import CancelledError

import pytest

from importer.threads import DatabaseThreads


@pytest.mark.parametrize("count", [0, 1, 3])
def test_in_order_yields_results_in_the_order_of_jobs(count):
    def work(number):
        time.sleep(0.002 * (5 - number))
        return number * 10

    with DatabaseThreads(count, "test") as threads:
        results = list(threads.in_order(range(5), work))

    assert results == [(number, number * 10) for number in range(5)]


@pytest.mark.parametrize("count", [0, 2])
def test_in_order_draws_one_job_more_than_there_are_threads(count):
    drawn = []

    def jobs():
        for number in range(9):
            drawn.append(number)
            yield number

    with DatabaseThreads(count, "test") as threads:
        results = threads.in_order(jobs(), lambda number: number)
        next(results)

    assert len(drawn) == count + 1


def test_database_threads_without_a_count_work_in_the_caller_s():
    with DatabaseThreads(0, "test") as threads:
        future = threads.submit(threading.get_ident)

    assert future.result() == threading.get_ident()


@pytest.mark.parametrize("count", [0, 2])
def test_in_order_raises_what_the_work_raised_and_ends_the_threads(count):
    before = threading.active_count()

    def work(number):
        if number == 1:
            raise ValueError("no")
        return number

    with pytest.raises(ValueError, match="no"), DatabaseThreads(count, "t") as threads:
        list(threads.in_order(range(100), work))

    assert threading.active_count() == before


def test_what_was_dropped_raises_where_it_is_awaited():
    entered, release = threading.Event(), threading.Event()
    futures = []

    def hold():
        entered.set()
        release.wait(60)

    def leave(threads):
        threads.submit(hold)
        futures.append(threads.submit(lambda: 1))
        assert entered.wait(60)
        threading.Timer(0.02, release.set).start()
        raise RuntimeError

    with pytest.raises(RuntimeError), DatabaseThreads(1, "test") as threads:
        leave(threads)

    with pytest.raises(CancelledError):
        futures[0].result(timeout=0)
