"""How the server would run a packaged statement, whatever its values."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = ["rows_read", "ways_to"]


async def ways_to(conn: Connection, name: str, table: str, **values: object) -> list[str]:
    """How a statement's plan reads a table or its days: by which index, and whether by key.

    The statement is planned as in production: once for all values, or anew for `values`, which
    are then all that are not NULL.
    """
    mode = "force_custom_plan" if values else "force_generic_plan"
    return [
        f"{way.get('Index Name')}, {'by key' if 'Index Cond' in way else 'all of it'}"
        for node in await _scans(conn, name, table, values, "FORMAT JSON", mode)
        for way in [node["Plans"][0] if node["Node Type"] == "Bitmap Heap Scan" else node]
    ]


async def rows_read(conn: Connection, name: str, table: str, **values: object) -> int:
    """How many rows of a table a statement reads, planned once for all values; it is executed."""
    nodes = await _scans(conn, name, table, values, "ANALYZE, FORMAT JSON", "force_generic_plan")
    return sum(
        int(node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)))
        for node in nodes
    )


async def _scans(
    conn: Connection, name: str, table: str, values: Mapping[str, object], told: str, mode: str
) -> list[dict[str, Any]]:
    """The nodes of a statement's plan that read a table or its days."""
    query = next(each for each in bundled() if each.name == name)
    await conn.execute(f"PREPARE asked AS {query.sql}")
    await conn.execute(f"SET LOCAL plan_cache_mode = {mode}")
    given = ", ".join(_literal(values.get(param)) for param in query.params)
    (row,) = await conn.fetch(f"EXPLAIN ({told}) EXECUTE asked({given})")
    await conn.execute("DEALLOCATE asked")
    return [
        node
        for node in _nodes_of(json.loads(row[0])[0]["Plan"])
        if _without_day(node.get("Relation Name", "")) == table
        and node["Node Type"].endswith("Scan")
    ]


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return "'{" + ",".join(map(str, value)) + "}'"
    return f"'{value}'"


def _without_day(relation: str) -> str:
    name, _, day = relation.rpartition("_")
    return name if day.isdigit() else relation


def _nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes_of(part)
