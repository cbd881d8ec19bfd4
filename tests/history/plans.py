"""What statements read, by the plans as they were run."""

import json
from typing import Any

from django.db import connection

from history.statement import Statement


def explain(statement: Statement) -> dict[str, Any]:
    """Run the statement; return the top node of its plan."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}", statement.parameters
        )
        (found,) = cursor.fetchone()
    plan = json.loads(found) if isinstance(found, str) else found
    return plan[0]["Plan"]


def rows_of_key(node: dict[str, Any], table: str) -> float:
    """Rows that were read by the table's key, filtered ones included.

    Reading a table or a chunk from end to end counts as infinite.
    """
    rows = sum(rows_of_key(child, table) for child in node.get("Plans", []))
    if node["Node Type"].endswith("Seq Scan"):
        name = node["Relation Name"]
        if name == table or name.startswith("_hyper"):
            return float("inf")
    if f"{table}_pkey" in node.get("Index Name", ""):
        read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        rows += read * node["Actual Loops"]
    return rows
