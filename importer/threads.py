"""Threads that work on the database, each with a connection of its own."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from django.db import connections

Job = TypeVar("Job")
Result = TypeVar("Result")
_Task = tuple[Future[Any], Callable[[], Any]]


class DatabaseThreads:
    """Does work in ``count`` threads; with 0 at once, in the caller's own thread.

    Use it as a context manager. At its end work that waits is dropped, if the block
    raised, else done; then the threads end and their connections are closed.
    """

    def __init__(self, count: int, name: str) -> None:
        self.count = count
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._waiting: list[Future[Any]] = []
        self._threads = [
            Thread(target=self._run, name=f"{name}-{number}") for number in range(count)
        ]

    def __enter__(self) -> "DatabaseThreads":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, exc_type: object, *exc_info: object) -> None:
        if exc_type is not None:
            for future in self._waiting:
                future.cancel()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def submit(self, work: Callable[[], Result]) -> "Future[Result]":
        """Do the work when a thread is free; what it raises is raised by the future."""
        future: Future[Result] = Future()
        if self._threads:
            self._waiting = [item for item in self._waiting if not item.done()]
            self._waiting.append(future)
            self._tasks.put((future, work))
        else:
            _do(future, work)
        return future

    def in_order(
        self, jobs: Iterable[Job], work: Callable[[Job], Result]
    ) -> Iterator[tuple[Job, Result]]:
        """Yield each job with what ``work`` made of it, in order.

        ``jobs`` is drawn on in the caller's thread, one more than there are threads.
        """
        waiting: deque[tuple[Job, Future[Result]]] = deque()
        for job in jobs:
            waiting.append((job, self.submit(lambda job=job: work(job))))  # type: ignore[misc]
            if len(waiting) > self.count:
                yield _next(waiting)
        while waiting:
            yield _next(waiting)

    def _run(self) -> None:
        try:
            while task := self._tasks.get():
                _do(*task)
        finally:
            connections.close_all()


def _next(waiting: "deque[tuple[Job, Future[Result]]]") -> tuple[Job, Result]:
    job, future = waiting.popleft()
    return job, future.result()


def _do(future: "Future[Any]", work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as exc:  # noqa: BLE001 - whoever waits for it raises it
        future.set_exception(exc)
