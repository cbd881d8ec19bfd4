"""One import of a series at a time, whoever starts it: a lock in the database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

# Advisory locks have two key spaces: one bigint, or two ints. This is the first int of
# our pairs ("impt" in ASCII), the series is the second.
LOCK_SPACE = 0x696D7074


@contextmanager
def only_import_of(series_id: int, *, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the series against other imports; wait for the one that runs.

    ``on_wait`` is called once before a wait. The lock belongs to this thread's database
    session: the database frees it when the process dies. Other sessions of the holder
    (further writers) work under it without one of their own.
    """
    keys = [LOCK_SPACE, series_id]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", keys)
        if not cursor.fetchone()[0]:
            on_wait()
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", keys)
    try:
        yield
    finally:
        # A session that broke has lost its locks.
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", keys)
