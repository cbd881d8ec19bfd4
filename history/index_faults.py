"""Indexes that are missing or invalid, on the history's tables and their chunks."""

from django.db import connection

from history.tables import CANDLE_TABLES

TABLES = ("ticks", "trades", *CANDLE_TABLES.values())

# A chunk's index is its own, with a name of its own: it is known by its definition.
_FIND = """
    WITH tables AS (
        SELECT to_regclass(name) AS oid, name
        FROM unnest(%(tables)s::text[]) AS name
    ),
    chunks AS (
        SELECT t.oid AS table_oid, t.name AS table_name,
               format('%%I.%%I', c.chunk_schema, c.chunk_name)::regclass AS oid
        FROM timescaledb_information.chunks AS c
        JOIN tables AS t ON t.name = c.hypertable_name
        WHERE c.hypertable_schema = current_schema()
    ),
    indexes AS (
        SELECT i.indrelid, i.indexrelid::regclass::text AS name, i.indisunique,
               i.indisprimary, i.indisvalid AND i.indisready AS is_valid,
               substring(pg_get_indexdef(i.indexrelid) FROM ' USING .*') AS definition
        FROM pg_index AS i
        WHERE i.indrelid IN (SELECT oid FROM tables UNION ALL SELECT oid FROM chunks)
    )
    SELECT format('%%s has no primary key', t.name)
    FROM tables AS t
    WHERE NOT EXISTS (
        SELECT FROM indexes AS i WHERE i.indrelid = t.oid AND i.indisprimary
    )
    UNION ALL
    SELECT format('%%s of %%s is invalid', i.name, i.indrelid::regclass)
    FROM indexes AS i
    WHERE NOT i.is_valid
    UNION ALL
    SELECT format('%%s lacks the index %%s of %%s', c.oid, i.name, c.table_name)
    FROM chunks AS c
    JOIN indexes AS i ON i.indrelid = c.table_oid
    WHERE NOT EXISTS (
        SELECT
        FROM indexes AS own
        WHERE own.indrelid = c.oid
          AND own.indisunique = i.indisunique
          AND own.definition = i.definition
    )
    ORDER BY 1
"""


def find_index_faults() -> list[str]:
    """Return a sentence for each fault; none where all is well."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND, {"tables": list(TABLES)})
        return [text for (text,) in cursor.fetchall()]
