"""One import of a series at a time, whoever starts it: a lock in the database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

# Advisory locks have two key spaces: one bigint, or two ints. This is the first int of
# our pairs ("impt" in ASCII), the series is the second.
LOCK_SPACE = 0x696D7074
# The same for the transactions that write ("impw"). A killed import frees its lock
# while the database may still be at work on what its writers sent last.
WRITER_SPACE = 0x696D7077


@contextmanager
def only_import_of(series_id: int, *, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the series against other imports; wait for the one that runs.

    ``on_wait`` is called once before a wait. The lock belongs to this thread's database
    session: the database frees it when the process dies. Other sessions of the holder
    write under it after `join_import_of`.
    """
    keys = [LOCK_SPACE, series_id]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", keys)
        if not cursor.fetchone()[0]:
            on_wait()
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", keys)
        # A statement is a transaction here: this waits for left-over writers only.
        writers = [WRITER_SPACE, series_id]
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", writers)
    try:
        yield
    finally:
        # A session that broke has lost its locks.
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", keys)


def join_import_of(series_id: int) -> None:
    """Let the next import of the series wait for this transaction of a writer.

    For sessions beside the one that holds the lock; does not block.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock_shared(%s, %s)", [WRITER_SPACE, series_id]
        )
