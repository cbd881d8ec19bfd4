"""The indexes of ticks beside their key: which there should be, dropping, making again.

What must exist follows from the setting TICK_INDEXES and the catalog alone, so nothing
is lost with a process that dies between a drop and the build. The key is not among
them: TimescaleDB refuses to drop it from a chunk (docs/decisions/0005).
"""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.db import OperationalError, connection, transaction

# Names are fixed, so that anybody finds what we made. The time alone serves questions
# over all series; `brin` is tiny and good for long stretches only.
INDEXES = {
    "time": ("ticks_time_idx", "btree", "time"),
    "brin": ("ticks_time_brin", "brin", "time"),
}
# Readers queue behind a drop that waits for its locks, so it waits less than a second
# in all (it needs those of all chunks), lets them pass, and comes back.
DROP_TIMEOUT_MS = 700
DROP_TRIES = 30
# One drop or build at a time; "tidx" in ASCII.
_LOCK = 0x74696478

_SELECT_INDEXES = """
    WITH tables AS (
        SELECT 'ticks'::regclass AS id, '' AS chunk
        UNION ALL
        SELECT chunk, chunk::text FROM show_chunks('ticks') AS chunk
    )
    SELECT t.chunk, c.relname, m.amname, i.indisprimary, i.indisvalid AND i.indisready,
           (SELECT string_agg(pg_get_indexdef(i.indexrelid, n, TRUE), ', ' ORDER BY n)
            FROM generate_series(1, i.indnkeyatts) AS n),
           pg_relation_size(i.indexrelid)
    FROM tables AS t
    LEFT JOIN pg_index AS i ON i.indrelid = t.id
    LEFT JOIN pg_class AS c ON c.oid = i.indexrelid
    LEFT JOIN pg_am AS m ON m.oid = c.relam
    ORDER BY t.chunk, c.relname
"""

log = structlog.get_logger(__name__)


class IndexState(msgspec.Struct, frozen=True):
    """An index of ticks; the key, or one of `INDEXES` that exists or should.

    ``gaps`` names chunks where it is not there or not valid; ``is_valid`` is False for
    a build that was not finished, too.
    """

    name: str
    is_key: bool
    is_configured: bool
    exists: bool
    is_valid: bool
    gaps: Sequence[str]
    size_bytes: int

    @property
    def is_complete(self) -> bool:
        """Whether it serves every chunk."""
        return self.exists and self.is_valid and not self.gaps


class _Found(msgspec.Struct, frozen=True):
    chunk: str
    name: str | None
    method: str | None
    is_key: bool | None
    is_valid: bool | None
    columns: str | None
    size_bytes: int | None


def configured_indexes() -> list[str]:
    """Return the names of the indexes that there should be.

    Raises:
        ImproperlyConfigured: TICK_INDEXES has something else than kinds of indexes.
    """
    unknown = [kind for kind in settings.TICK_INDEXES if kind not in INDEXES]
    if unknown:
        known = ", ".join(INDEXES)
        raise ImproperlyConfigured(
            f"expected TICK_INDEXES of {known}, found {', '.join(unknown)}"
        )
    return [INDEXES[kind][0] for kind in settings.TICK_INDEXES]


def select_indexes() -> list[IndexState]:
    """Return the key and the indexes that exist or should, each over all chunks."""
    with connection.cursor() as cursor:
        cursor.execute(_SELECT_INDEXES)
        found = [_Found(*row) for row in cursor.fetchall()]
    wanted = configured_indexes()
    chunks = sorted({item.chunk for item in found if item.chunk})
    root = [item for item in found if not item.chunk]
    states = [_state(item, found, chunks, wanted) for item in root if _is_ours(item)]
    absent = set(wanted) - {state.name for state in states}
    return states + [
        IndexState(name, False, True, False, False, chunks, 0)
        for name in sorted(absent)
    ]


def select_lacking() -> list[IndexState]:
    """Return the configured indexes that are not complete."""
    return [
        state
        for state in select_indexes()
        if state.is_configured and not state.is_complete
    ]


def drop_indexes() -> list[str]:
    """Drop the configured indexes for the time of a load; return which there were.

    Others stay: nobody would make them again. Readers wait for less than a second.

    Raises:
        django.db.OperationalError: long transactions kept them locked.
    """
    with _single_flight():
        names = [
            state.name
            for state in select_indexes()
            if state.is_configured and state.exists
        ]
        for name in names:
            _drop(name)
    return names


def recreate_indexes() -> list[str]:
    """Make the configured indexes that are not complete; return which those were.

    A build that was not finished is begun anew. Each chunk is a transaction of its own:
    readers go on, and who writes to a chunk waits while it is built. Then the planner's
    statistics are renewed. Not within a transaction.
    """
    with _single_flight():
        lacking = select_lacking()
        for state in lacking:
            if state.exists:
                _drop(state.name)
            _create(state.name)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE ticks")
    return [state.name for state in lacking]


@contextmanager
def without_indexes() -> Iterator[None]:
    """Drop the configured indexes for the block; make them again, also if it fails.

    Where that fails as well, the log says what to run.
    """
    try:
        drop_indexes()
        yield
    except BaseException:
        _recreate_after_failure()
        raise
    recreate_indexes()


def _state(
    root: _Found, found: Sequence[_Found], chunks: Sequence[str], wanted: Sequence[str]
) -> IndexState:
    parts = [
        item
        for item in found
        if item.chunk and (item.method, item.columns) == (root.method, root.columns)
    ]
    served = {item.chunk for item in parts if item.is_valid}
    return IndexState(
        name=str(root.name),
        is_key=bool(root.is_key),
        is_configured=root.name in wanted,
        exists=True,
        is_valid=bool(root.is_valid),
        gaps=[chunk for chunk in chunks if chunk not in served],
        size_bytes=sum(item.size_bytes or 0 for item in parts),
    )


def _is_ours(item: _Found) -> bool:
    return bool(item.is_key) or item.name in {name for name, _, _ in INDEXES.values()}


def _drop(name: str) -> None:
    for attempt in range(1, DROP_TRIES + 1):
        try:
            with transaction.atomic(durable=True), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {DROP_TIMEOUT_MS}")
                cursor.execute(f'DROP INDEX IF EXISTS "{name}"')
            return
        except OperationalError:
            if attempt == DROP_TRIES:
                raise
            time.sleep(random.uniform(0.5, 1.5))


def _recreate_after_failure() -> None:
    """Make the indexes again; what failed before is to be raised, not this."""
    try:
        if connection.connection and not connection.is_usable():
            connection.close()
        recreate_indexes()
    except DatabaseError as exc:
        log.error("indexes of ticks are missing, run recreate_indexes", error=str(exc))


def _create(name: str) -> None:
    ((method, columns),) = (
        (method, columns)
        for known, method, columns in INDEXES.values()
        if known == name
    )
    with connection.cursor() as cursor:
        # CONCURRENTLY is refused on hypertables; this is what they have in its place.
        cursor.execute(
            f'CREATE INDEX "{name}" ON ticks USING {method} ({columns}) '
            "WITH (timescaledb.transaction_per_chunk)"
        )


@contextmanager
def _single_flight() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        try:
            yield
        finally:
            # A session that broke has lost its locks.
            if connection.is_usable():
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
