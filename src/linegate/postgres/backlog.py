"""Queries about how many messages wait: of accounts, of keys, of all."""

from collections.abc import Collection, Mapping
from datetime import datetime

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = ["Counter", "add_waiting", "load_backlog", "lock_waiting", "total_backlog"]

Counter = tuple[int, int]
"""An account and one of its keys; key 0: the whole account."""


async def lock_waiting(conn: Connection, counters: Collection[Counter]) -> dict[Counter, int]:
    """How many messages have not ended, held until the transaction ends."""
    ordered = sorted(counters)
    rows = await bundled().lock_waiting.many(
        conn,
        account_ids=[account_id for account_id, _ in ordered],
        key_ids=[key_id for _, key_id in ordered],
    )
    return {(row["account_id"], row["key_id"]): row["waiting"] for row in rows}


async def add_waiting(conn: Connection, more: Mapping[Counter, int]) -> None:
    """So many were accepted; `lock_waiting` holds their counts."""
    await bundled().add_waiting.exec(
        conn,
        account_ids=[account_id for account_id, _ in more],
        key_ids=[key_id for _, key_id in more],
        messages=list(more.values()),
    )


async def load_backlog(conn: Connection, account_id: int) -> tuple[int, datetime | None]:
    """How many of an account's messages have not ended, and as of when; None: never counted."""
    row = await bundled().load_backlog.one(conn, account_id=account_id)
    return (0, None) if row is None else (row["waiting"], row["as_of"])


async def total_backlog(conn: Connection) -> int:
    """How many messages of all accounts have not ended."""
    return int(await bundled().total_backlog.value(conn))
