"""Reading and decoding hours in threads, some days ahead of the database."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

# Decoding holds no lock of the interpreter for most of its time, but a third thread on
# two cores only takes time from the writer.
THREADS = 2
# Days in memory beside the one that is being written. A busy day is some 10 MB.
DAYS_AHEAD = 2


def read_ahead(
    jobs: Iterable[tuple[Job, Iterable[int]]], read: Callable[[int], Result]
) -> Iterator[tuple[Job, Iterator[Result]]]:
    """Yield each job with the results of ``read`` for its hours, in order.

    The results of a job come as they are ready; whoever takes one waits for it. Take
    them before the next job.
    ``jobs`` is drawn on in the caller's thread, at most `DAYS_AHEAD` before its turn.
    What ``read`` raises is raised where its result is taken.
    """
    with ThreadPoolExecutor(THREADS, "import-read") as pool:
        waiting: deque[tuple[Job, deque[Future[Result]]]] = deque()
        try:
            for job, hours in jobs:
                waiting.append((job, deque(pool.submit(read, hour) for hour in hours)))
                if len(waiting) > DAYS_AHEAD:
                    yield _next(waiting)
            while waiting:
                yield _next(waiting)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _next(
    waiting: deque[tuple[Job, deque[Future[Result]]]],
) -> tuple[Job, Iterator[Result]]:
    job, futures = waiting.popleft()
    return job, _results(futures)


def _results(futures: deque[Future[Result]]) -> Iterator[Result]:
    # Popped, so that what was taken is not kept.
    while futures:
        yield futures.popleft().result()
