"""Queries of traces: which messages are to be told of, and what is stored of them."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from linegate.domain.spans import ToldAttempt, ToldMessage, ToldReceipt
from linegate.domain.trace import Trace, unpack
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "Untold",
    "claim_untold",
    "forget_untold",
    "insert_untold",
    "load_told",
    "postpone_untold",
    "remove_untold",
]


class Untold(NamedTuple):
    """A message that is to be told of, and whether it has ended."""

    id: int
    trace: Trace
    has_ended: bool


async def insert_untold(
    conn: Connection, traced: Sequence[tuple[int, bytes]], *, look_at: datetime
) -> None:
    """Note messages to tell of, each with its trace as stored."""
    await bundled().insert_untold.exec(
        conn,
        ids=[id_ for id_, _ in traced],
        traces=[trace for _, trace in traced],
        look_at=look_at,
    )


async def claim_untold(
    conn: Connection, *, limit: int, lease_until: datetime, now: datetime
) -> list[Untold]:
    """Take messages that it is time to look at; nobody else does before the lease ends."""
    rows = await bundled().claim_untold.many(conn, limit=limit, lease_until=lease_until, now=now)
    return [
        Untold(row["id"], trace, row["ended"])
        for row in rows
        if (trace := unpack(row["trace"])) is not None
    ]


async def postpone_untold(conn: Connection, later: Sequence[tuple[int, datetime]]) -> None:
    """Look at these messages again, each at its instant."""
    ordered = sorted(later)
    await bundled().postpone_untold.exec(
        conn, ids=[id_ for id_, _ in ordered], look_ats=[at for _, at in ordered]
    )


async def remove_untold(conn: Connection, ids: Sequence[int]) -> None:
    """These need no telling any more."""
    await bundled().remove_untold.exec(conn, ids=sorted(ids))


async def forget_untold(conn: Connection, *, before_id: int, limit: int) -> int:
    """Remove what was left of messages before an id; gives how many."""
    count: int = await bundled().forget_untold.exec(conn, before_id=before_id, limit=limit)
    return count


async def load_told(conn: Connection, ids: Sequence[int]) -> dict[int, ToldMessage]:
    """What is stored of messages that have ended; one that was removed is not in it."""
    attempts: defaultdict[int, list[ToldAttempt]] = defaultdict(list)
    for id_, *tried in await bundled().told_attempts.many(conn, ids=ids):
        attempts[id_].append(ToldAttempt(*tried))
    receipts: defaultdict[int, list[ToldReceipt]] = defaultdict(list)
    for id_, *told in await bundled().told_receipts.many(conn, ids=ids):
        receipts[id_].append(ToldReceipt(*told))
    return {
        row["id"]: ToldMessage(*row)._replace(
            attempts=attempts[row["id"]], receipts=receipts[row["id"]]
        )
        for row in await bundled().load_told.many(conn, ids=ids)
    }
