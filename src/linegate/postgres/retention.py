"""Queries that forget: days that are over, accounts that keep less, persons who ask for it."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from linegate.domain.decide import CANCELLED
from linegate.domain.ids import day_start
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "SentTo",
    "day_is_needed",
    "end_unfinished",
    "ended_messages",
    "forget_early_receipts",
    "forget_leftovers",
    "forget_sums",
    "messages_to",
    "purge_bulk",
    "purge_contents",
    "purge_messages",
    "short_retentions",
]


class SentTo(NamedTuple):
    """A message to some destination."""

    id: int
    account_id: int
    bulk_id: int
    track_id: int | None


async def day_is_needed(conn: Connection, day: date, *, ended_before: datetime) -> bool:
    """Whether a day's messages may not go yet."""
    needed = await bundled().day_is_needed.value(conn, **_range(day), ended_before=ended_before)
    return bool(needed)


async def forget_leftovers(conn: Connection, oldest: date, *, limit: int) -> int:
    """Remove a chunk of what days before the oldest left elsewhere; gives how many rows."""
    gone = await bundled().forget_leftovers.value(conn, before_id=day_start(oldest), limit=limit)
    return int(gone)


async def short_retentions(conn: Connection, *, days: int) -> list[tuple[int, int]]:
    """Accounts that keep less than `days`: id and how many."""
    rows = await bundled().short_retentions.many(conn, days=days)
    return [(row["id"], row["retention_days"]) for row in rows]


async def ended_messages(
    conn: Connection,
    day: date,
    *,
    account_id: int | None,
    after: int,
    ended_before: datetime,
    limit: int,
) -> list[int]:
    """Messages of a day that ended before then; ascending, behind `after`."""
    first_id = day_start(day)
    rows = await bundled().ended_messages.many(
        conn,
        account_id=account_id,
        after=max(after, first_id - 1),
        end_id=day_start(day + timedelta(days=1)),
        ended_before=ended_before,
        limit=limit,
    )
    return [row["message_id"] for row in rows]


async def purge_messages(conn: Connection, ids: Sequence[int]) -> int:
    """Remove every row of messages; gives how many messages there were."""
    return await bundled().purge_messages.exec(conn, ids=sorted(ids))


async def purge_contents(conn: Connection, day: date, *, account_id: int | None) -> int:
    """Remove contents of a day that no message has any more; gives how many bulks."""
    return await bundled().purge_contents.exec(conn, **_range(day), account_id=account_id)


async def purge_bulk(conn: Connection, bulk_id: int) -> int:
    """Remove a bulk with its contents if it has no message any more; gives 1 or 0."""
    return await bundled().purge_contents.exec(
        conn, first_id=bulk_id, end_id=bulk_id + 1, account_id=None
    )


async def messages_to(
    conn: Connection, destination: str, *, account_id: int | None, after: int, limit: int
) -> list[SentTo]:
    """Messages to a destination (digits), of one account or of all."""
    rows = await bundled().messages_to.many(
        conn, destination=destination, account_id=account_id, after=after, limit=limit
    )
    return [SentTo(*row) for row in rows]


async def end_unfinished(conn: Connection, sent: Sequence[SentTo], *, now: datetime) -> None:
    """End those that have not ended, as cancelled and without a report; in a transaction."""
    await bundled().lock_runs.exec(conn, bulk_ids=sorted({each.bulk_id for each in sent}))
    await bundled().end_unfinished.exec(
        conn,
        ids=sorted(each.id for each in sent),
        status=CANCELLED.status,
        error=CANCELLED.error,
        now=now,
    )


async def forget_early_receipts(conn: Connection, destination: str) -> None:
    """Remove SMS receipts of a destination that met no message."""
    await bundled().forget_early_receipts.exec(conn, destination=destination)


async def forget_sums(conn: Connection, *, before: date) -> None:
    """Remove counts of days before."""
    await bundled().forget_sums.exec(conn, before=before)


def _range(day: date) -> dict[str, object]:
    return {"first_id": day_start(day), "end_id": day_start(day + timedelta(days=1))}
