"""Ticks and trades into and out of their hypertables.

Everything works on a psycopg connection inside the caller's transaction
(`django.db.connection.connection` within `transaction.atomic()`). The caller also
notes the changed ranges and updates the statistics, in the same transaction.
"""

from collections.abc import Iterator

import psycopg
from psycopg import sql

from history.columns import TickColumns, TradeColumns
from history.copy_format import CopyGroup, tick_groups, trade_groups
from history.timestamps import to_datetime

FIRST_LIVE_SEQ = 1 << 32  # below it the epoch is 0: imported, never published
_MAX_SEQ = (1 << 63) - 1


def copy_ticks(connection: psycopg.Connection, columns: TickColumns) -> int:
    """Store ticks by plain COPY, the fastest way; return how many.

    Raises:
        psycopg.errors.UniqueViolation: one of them is stored already; the caller's
            transaction is lost and none are stored.
    """
    return _copy(connection, tick_groups(columns))


def insert_ticks(connection: psycopg.Connection, columns: TickColumns) -> int:
    """Store the ticks that are not stored yet and return how many those were.

    Takes 2.2 times as long as ``copy_ticks`` (measured, DESIGN section 6).
    """
    return _copy_and_insert(connection, "ticks", tick_groups(columns))


def copy_trades(connection: psycopg.Connection, columns: TradeColumns) -> int:
    """Store trades by plain COPY and return how many.

    Raises:
        psycopg.errors.UniqueViolation: as ``copy_ticks``.
    """
    return _copy(connection, trade_groups(columns))


def insert_trades(connection: psycopg.Connection, columns: TradeColumns) -> int:
    """Store the trades that are not stored yet and return how many those were."""
    return _copy_and_insert(connection, "trades", trade_groups(columns))


def delete_imported_ticks(
    connection: psycopg.Connection, series_id: int, start_us: int, end_us: int
) -> int:
    """Delete imported ticks of [``start_us``, ``end_us``), return how many.

    Ticks that were received live stay.
    """
    return _delete(connection, series_id, start_us, end_us, below=FIRST_LIVE_SEQ)


def delete_ticks(
    connection: psycopg.Connection, series_id: int, start_us: int, end_us: int
) -> int:
    """Delete all ticks of [``start_us``, ``end_us``), return how many."""
    return _delete(connection, series_id, start_us, end_us, below=_MAX_SEQ)


def _delete(
    connection: psycopg.Connection,
    series_id: int,
    start_us: int,
    end_us: int,
    *,
    below: int,
) -> int:
    deleted = connection.execute(
        """
        DELETE FROM ticks
        WHERE series_id = %s
          AND time >= %s
          AND time < %s
          AND seq < %s
        """,
        (series_id, to_datetime(start_us), to_datetime(end_us), below),
    )
    return deleted.rowcount


def _copy(
    connection: psycopg.Connection,
    groups: Iterator[CopyGroup],
    target: str | None = None,
) -> int:
    rows = 0
    with connection.cursor() as cursor:
        for group in groups:
            statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
                sql.Identifier(target or group.table),
                sql.SQL(", ").join(map(sql.Identifier, group.names)),
            )
            with cursor.copy(statement) as copy:
                for block in group.blocks():
                    copy.write(block)
            rows += group.rows
    return rows


def _copy_and_insert(
    connection: psycopg.Connection, table: str, groups: Iterator[CopyGroup]
) -> int:
    names = {"table": sql.Identifier(table), "staging": sql.Identifier(f"new_{table}")}
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE {staging} (LIKE {table})").format(**names)
    )
    _copy(connection, groups, f"new_{table}")
    inserted = connection.execute(
        sql.SQL(
            "INSERT INTO {table} SELECT * FROM {staging} ON CONFLICT DO NOTHING"
        ).format(**names)
    )
    connection.execute(sql.SQL("DROP TABLE {staging}").format(**names))
    return inserted.rowcount
