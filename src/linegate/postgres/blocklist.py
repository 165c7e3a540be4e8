"""Queries about destinations that an account never sends to."""

from collections.abc import Sequence
from datetime import datetime

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = ["block", "blocked_of", "has_blocked", "list_blocked", "unblock"]


async def has_blocked(conn: Connection, account_id: int) -> bool:
    """Whether an account blocks any destination at all."""
    return bool(await bundled().has_blocked.value(conn, account_id=account_id))


async def blocked_of(
    conn: Connection, account_id: int, destinations: Sequence[str]
) -> frozenset[str]:
    """Which of these destinations (digits) the account blocks."""
    rows = await bundled().blocked_of.many(conn, account_id=account_id, destinations=destinations)
    return frozenset(row["destination"] for row in rows)


async def block(
    conn: Connection, account_id: int, destinations: Sequence[str], *, now: datetime
) -> int:
    """Add destinations (digits); gives how many are new."""
    return await bundled().block.exec(
        conn, account_id=account_id, destinations=destinations, now=now
    )


async def unblock(conn: Connection, account_id: int, destinations: Sequence[str]) -> int:
    """Take destinations off the list; gives how many were on it."""
    return await bundled().unblock.exec(conn, account_id=account_id, destinations=destinations)


async def list_blocked(
    conn: Connection, account_id: int, *, after: str, limit: int
) -> list[tuple[str, datetime]]:
    """Destinations and since when, by number, from the one behind `after` on."""
    rows = await bundled().list_blocked.many(conn, account_id=account_id, after=after, limit=limit)
    return [(row["destination"], row["blocked_at"]) for row in rows]
