"""Watching from beside how many chunks have the indexes that are being made."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from django.db import Error as DatabaseError
from django.db import connection

from history.tick_indexes import IndexState, select_lacking

LOOK_S = 1.0


@contextmanager
def lacking_watched(tell: Callable[[list[IndexState]], None]) -> Iterator[None]:
    """Tell once a second, during the block, which indexes are not complete.

    That happens in a thread with a connection of its own, which sees what is committed:
    chunk after chunk. Where it fails nothing more is told.
    """
    is_over = Event()

    def look() -> None:
        try:
            while not is_over.wait(LOOK_S):
                tell(select_lacking())
        except DatabaseError:
            pass  # the block's own connection will say so, if it matters
        finally:
            connection.close()

    watch = Thread(target=look, name="index-watch")
    watch.start()
    try:
        yield
    finally:
        is_over.set()
        watch.join()
