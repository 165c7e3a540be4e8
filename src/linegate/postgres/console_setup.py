"""Queries of the console's list of bulks and of its set-up pages, beyond what the API asks."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "STRAIGHT_LOOKED_AT",
    "AccountState",
    "StraightBulk",
    "accounts_with_backlog",
    "sender_names",
    "straight_bulks",
]

STRAIGHT_LOOKED_AT = 2000
"""Of the newest requests of the installation so many are looked at, by the key of `bulk`."""


class StraightBulk(NamedTuple):
    """A bulk that went out at once. client_id: its bulkId, None if it is the id in hexadecimal."""

    account_id: int
    id: int
    client_id: str | None
    accepted_at: datetime
    messages: int


class AccountState(NamedTuple):
    """An account as an operator sees it. parked_since: something of it is still parked.

    waiting: unfinished messages, as of the last time they were added up.
    """

    id: int
    name: str
    created_at: datetime
    suspended_at: datetime | None
    parked_since: datetime | None
    waiting: int


async def accounts_with_backlog(conn: Connection) -> list[AccountState]:
    """The first 200 accounts by name."""
    return [AccountState(*row) for row in await bundled().accounts_with_backlog.many(conn)]


async def straight_bulks(
    conn: Connection, account_ids: Sequence[int], *, limit: int
) -> list[StraightBulk]:
    """Bulks of these accounts that nobody steered, of the newest ones; the newest first."""
    rows = await bundled().straight_bulks.many(
        conn, account_ids=account_ids, most=STRAIGHT_LOOKED_AT, limit=limit
    )
    return [StraightBulk(*row) for row in rows]


async def sender_names(conn: Connection, account_id: int) -> list[str]:
    """The first 500 senders of an account, by name."""
    rows = await bundled().sender_names.many(conn, account_id=account_id)
    return [row["name"] for row in rows]
