"""How the server would run a packaged statement, whatever its values."""

import json
from collections.abc import Iterator
from typing import Any

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = ["ways_to"]


async def ways_to(conn: Connection, name: str, table: str) -> list[str]:
    """How a statement's plan reads a table or its days: by which index, and whether by key.

    The statement is planned as in production: once for all values.
    """
    query = next(each for each in bundled() if each.name == name)
    await conn.execute(f"PREPARE asked AS {query.sql}")
    nulls = ", ".join(["NULL"] * len(query.params))
    (row,) = await conn.fetch(f"EXPLAIN (FORMAT JSON) EXECUTE asked({nulls})")
    await conn.execute("DEALLOCATE asked")
    return [
        f"{node.get('Index Name')}, {'by key' if 'Index Cond' in node else 'all of it'}"
        for node in _nodes_of(json.loads(row[0])[0]["Plan"])
        if _without_day(node.get("Relation Name", "")) == table
        and node["Node Type"].endswith("Scan")
    ]


def _without_day(relation: str) -> str:
    name, _, day = relation.rpartition("_")
    return name if day.isdigit() else relation


def _nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes_of(part)
