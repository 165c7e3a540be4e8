"""Finished messages whose reports wait for endpoints, put into a database by the thousand."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import asyncpg

from linegate.domain.ids import IdMaker

__all__ = ["WaitingReports", "make_endpoints"]

_PER_BULK = 1000
_ROOM = 1100  # ids of a bulk besides its messages'
_FILL = Path(__file__).with_name("fill_reports.sql").read_text(encoding="utf-8")


async def make_endpoints(
    conn: asyncpg.Connection, account: int, urls: Sequence[str], now: datetime
) -> list[int]:
    """Endpoints of an account; their ids in the order of the URLs."""
    rows = await conn.fetch(
        "INSERT INTO endpoint (account_id, url, created_at)"
        " SELECT $1, unnest($2::text[]), $3 RETURNING id",
        account,
        urls,
        now,
    )
    return [row["id"] for row in rows]


class WaitingReports:
    """Puts reports of one account and sender, in bulks of a thousand."""

    def __init__(self, account: int, sender: int) -> None:
        """Begin with the first id."""
        self._account, self._sender = account, sender
        self._ids = IdMaker(200)

    async def put(
        self, conn: asyncpg.Connection, endpoints: list[int], count: int, at: datetime
    ) -> None:
        """So many, due since `at`, spread over the endpoints."""
        for start in range(0, count, _PER_BULK):
            size = min(_PER_BULK, count - start)
            first = self._ids.block(size + _ROOM, at)[0]
            # A block of ids has gaps between milliseconds; one of ours here has none: still unique.
            await conn.execute(_FILL, first, size, self._account, self._sender, endpoints, at)
