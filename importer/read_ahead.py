"""Reading and decoding hours in threads, some days ahead of the database."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

# Days in memory beside the one that is being written. A busy day is some 10 MB.
DAYS_AHEAD = 2


def read_ahead(
    jobs: Iterable[tuple[Job, Iterable[int]]],
    read: Callable[[int], Result],
    *,
    threads: int,
    give_up: Callable[[], object],
) -> Generator[tuple[Job, Iterator[Result]], None, None]:
    """Yield each job with the results of ``read`` for its hours, in order.

    The results of a job come as they are ready; whoever takes one waits for it. Take
    them before the next job.
    ``jobs`` is drawn on in the caller's thread, at most `DAYS_AHEAD` before its turn.
    What ``read`` raises is raised where its result is taken.
    Reading happens in ``threads`` threads. If the caller leaves before the last result,
    ``give_up`` is called to end reads that wait for something, and those are awaited.
    """
    is_done = False
    with ThreadPoolExecutor(threads, "import-read") as pool:
        waiting: deque[tuple[Job, deque[Future[Result]]]] = deque()
        try:
            for job, hours in jobs:
                waiting.append((job, deque(pool.submit(read, hour) for hour in hours)))
                if len(waiting) > DAYS_AHEAD:
                    yield _next(waiting)
            while waiting:
                yield _next(waiting)
            is_done = True
        finally:
            if not is_done:
                give_up()
            pool.shutdown(wait=True, cancel_futures=not is_done)


def _next(
    waiting: deque[tuple[Job, deque[Future[Result]]]],
) -> tuple[Job, Iterator[Result]]:
    job, futures = waiting.popleft()
    return job, _results(futures)


def _results(futures: deque[Future[Result]]) -> Iterator[Result]:
    # Popped, so that what was taken is not kept.
    while futures:
        yield futures.popleft().result()
