"""Queries of stage 4: final reports that are pulled, each handed out once."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = ["PullFilter", "pull_bulks", "pull_message", "pull_oldest"]


class PullFilter(NamedTuple):
    """Which reports a client asks for; None means any."""

    message_id: int | None = None
    bulk_id: int | None = None
    entity_id: str | None = None
    application_id: str | None = None
    campaign: str | None = None


async def pull_oldest(
    conn: Connection,
    account_id: int,
    asked: PullFilter,
    *,
    limit: int,
    since: datetime,
    now: datetime,
) -> list[int]:
    """Mark an account's oldest final reports as handed out; gives their messages."""
    rows = await bundled().pull_oldest.many(
        conn,
        account_id=account_id,
        limit=limit,
        since=since,
        now=now,
        **_parts(asked),
    )
    return [row["id"] for row in rows]


async def pull_bulks(
    conn: Connection,
    account_id: int,
    asked: PullFilter,
    bulk_ids: Sequence[int],
    *,
    limit: int,
    since: datetime,
    now: datetime,
) -> list[int]:
    """The same among what has ended of some bulks, the oldest first, in the order of messages."""
    rows = await bundled().pull_bulks.many(
        conn,
        account_id=account_id,
        bulk_ids=sorted(bulk_ids),
        limit=limit,
        since=since,
        now=now,
        **_parts(asked),
    )
    return [row["id"] for row in rows]


async def pull_message(
    conn: Connection, account_id: int, asked: PullFilter, *, since: datetime, now: datetime
) -> list[int]:
    """The same for the one message that is asked for."""
    rows = await bundled().pull_message.many(
        conn,
        account_id=account_id,
        message_id=asked.message_id,
        bulk_id=asked.bulk_id,
        since=since,
        now=now,
        **_parts(asked),
    )
    return [row["id"] for row in rows]


def _parts(asked: PullFilter) -> dict[str, str | None]:
    return {
        "entity_id": asked.entity_id,
        "application_id": asked.application_id,
        "campaign": asked.campaign,
    }
