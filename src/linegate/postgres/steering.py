"""Queries of steering: where bulks are, and what is said to them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from linegate.domain.forecast import Lot
from linegate.domain.pace import Pace
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled
from linegate.postgres.shaping import window_of

__all__ = [
    "BulkRow",
    "Counts",
    "HeldObject",
    "bulk_rate",
    "count_steps",
    "count_waiting",
    "find_bulk",
    "has_unfinished",
    "held_objects",
    "list_runs",
    "lock_run",
    "make_run",
    "objects_of",
    "only_account",
    "resume_objects",
    "say_pace",
    "say_send_at",
    "say_status",
    "uncounted_runs",
    "waiting_lots",
    "wake_run",
    "write_counts",
]


class Counts(NamedTuple):
    """What of a bulk is released and unfinished."""

    due: int
    sending: int
    handed_over: int


class BulkRow(NamedTuple):
    """A bulk. status: a word of `run_status`; None without a row that steers it."""

    id: int
    client_id: str | None
    accepted_at: datetime
    messages: int
    last_id: int
    status: str | None
    send_at: datetime
    pace: Pace | None
    free_at: datetime | None
    reason: str | None
    counted_at: datetime | None
    counts: Counts
    finished_at: datetime | None


class HeldObject(NamedTuple):
    """A message object whose content LINE refuses. reason: LINE's words."""

    object_id: int
    reason: str
    held_at: datetime


async def find_bulk(conn: Connection, account_id: int, bulk_id: int) -> BulkRow | None:
    """A bulk of this account."""
    row = await bundled().find_bulk.one(conn, account_id=account_id, bulk_id=bulk_id)
    return None if row is None else _bulk(row)


async def list_runs(conn: Connection, account_id: int, *, before: int, limit: int) -> list[BulkRow]:
    """Bulks of an account that have a row, the newest first, older than `before`."""
    rows = await bundled().list_runs.many(conn, account_id=account_id, before=before, limit=limit)
    return [_bulk(row) for row in rows]


def _bulk(row: asyncpg.Record) -> BulkRow:
    return BulkRow(
        id=row["id"],
        client_id=row["client_id"],
        accepted_at=row["accepted_at"],
        messages=row["messages"],
        last_id=row["last_id"],
        status=row["status"],
        send_at=row["send_at"],
        pace=Pace(row["pace_amount"], row["pace_unit"]) if row["pace_amount"] else None,
        free_at=row["free_at"],
        reason=row["reason"],
        counted_at=row["counted_at"],
        counts=Counts(row["due"] or 0, row["sending"] or 0, row["handed_over"] or 0),
        finished_at=row["finished_at"],
    )


async def objects_of(conn: Connection, bulk_id: int, last_id: int, *, has_run: bool) -> list[int]:
    """The message objects of a bulk that have messages to send."""
    if has_run:
        rows = await bundled().bulk_objects.many(conn, bulk_id=bulk_id)
        return [row["object_id"] for row in rows]
    rows = await bundled().objects_between.many(conn, bulk_id=bulk_id, last_id=last_id)
    return [row["id"] for row in rows]


async def count_steps(
    conn: Connection, bulk_id: int, last_id: int, object_ids: Sequence[int], *, limit: int
) -> Counts | None:
    """What is unfinished of these objects; None if that would take more than `limit` rows."""
    rows = await bundled().count_steps.many(
        conn, bulk_id=bulk_id, last_id=last_id, object_ids=object_ids, limit=limit
    )
    if sum(row["messages"] for row in rows) >= limit:
        return None
    found = {row["step"]: row["messages"] for row in rows if row["mine"]}
    sending = found.pop("sending", 0)
    handed_over = found.pop("sent", 0) + found.pop("unknown", 0)
    return Counts(sum(found.values()), sending, handed_over)


async def count_waiting(conn: Connection, bulk_id: int) -> int:
    """How many messages of a bulk have never been released."""
    count: int = await bundled().count_waiting.value(conn, bulk_id=bulk_id)
    return count


async def waiting_lots(conn: Connection, bulk_id: int) -> tuple[list[Lot], int | None]:
    """What waits of a bulk, and the rate of its slowest sender (None: nothing waits)."""
    rows = await bundled().waiting_lots.many(conn, bulk_id=bulk_id)
    lots = [
        Lot(
            row["remaining"],
            row["validity"],
            window_of(row["days"], row["opens"], row["closes"], row["zone"]),
            row["eligible_at"],
        )
        for row in rows
    ]
    return lots, min((row["per_second"] for row in rows), default=None)


async def bulk_rate(conn: Connection, bulk_id: int, last_id: int) -> int | None:
    """How many messages a second the slowest sender of a small bulk may send."""
    rate: int | None = await bundled().bulk_rate.value(conn, bulk_id=bulk_id, last_id=last_id)
    return rate


async def make_run(conn: Connection, account_id: int, bulk_id: int, *, now: datetime) -> None:
    """Make a bulk that has no row steerable."""
    await bundled().make_run.exec(conn, account_id=account_id, bulk_id=bulk_id, now=now)
    await bundled().make_tracks.exec(conn, account_id=account_id, bulk_id=bulk_id)


async def lock_run(conn: Connection, account_id: int, bulk_id: int) -> bool:
    """Nobody else changes a bulk's row until the transaction ends; False if there is no row."""
    found = await bundled().lock_run.value(conn, account_id=account_id, bulk_id=bulk_id)
    return found is not None


async def has_unfinished(conn: Connection, bulk_id: int, last_id: int) -> bool:
    """Whether anything of a bulk that has a row waits or is unfinished."""
    found: bool = await bundled().has_unfinished.value(conn, bulk_id=bulk_id, last_id=last_id)
    return found


async def say_status(conn: Connection, bulk_id: int, status: str, *, now: datetime) -> None:
    """Give a bulk a word of `run_status`."""
    await bundled().say_status.exec(conn, bulk_id=bulk_id, status=status, now=now)
    await bundled().tell_shaper.exec(conn)


async def say_send_at(conn: Connection, bulk_id: int, send_at: datetime, *, now: datetime) -> None:
    """A bulk goes at another time."""
    await bundled().say_send_at.exec(conn, bulk_id=bulk_id, send_at=send_at, now=now)
    await bundled().unmark_eligible.exec(conn, bulk_id=bulk_id, now=now)
    await bundled().tell_shaper.exec(conn)


async def say_pace(conn: Connection, bulk_id: int, pace: Pace | None, *, now: datetime) -> None:
    """A bulk goes at another pace; None: as fast as LINE takes it."""
    await bundled().say_pace.exec(
        conn,
        bulk_id=bulk_id,
        amount=pace.amount if pace else None,
        unit=pace.unit if pace else None,
        now=now,
    )
    if pace is not None:
        await bundled().forget_eligible.exec(conn, bulk_id=bulk_id)
    await bundled().tell_shaper.exec(conn)


async def held_objects(conn: Connection, bulk_id: int) -> list[HeldObject]:
    """Contents of a bulk that LINE refuses whoever they go to."""
    rows = await bundled().held_objects.many(conn, bulk_id=bulk_id)
    return [HeldObject(row["object_id"], row["reason"], row["held_at"]) for row in rows]


async def resume_objects(conn: Connection, bulk_id: int, *, now: datetime) -> int:
    """Try contents again that LINE refused; gives how many there were."""
    rows = await bundled().resume_objects.many(conn, bulk_id=bulk_id)
    for row in rows:
        shift = max(now - row["held_at"], timedelta(0))
        object_id = row["object_id"]
        await bundled().resume_held.exec(conn, object_id=object_id, shift=shift, now=now)
        await bundled().shift_object.exec(conn, bulk_id=bulk_id, object_id=object_id, shift=shift)
    return len(rows)


async def wake_run(conn: Connection, bulk_id: int, *, now: datetime) -> None:
    """Have the shaper look at a bulk at once."""
    await bundled().wake_run.exec(conn, bulk_id=bulk_id, now=now)
    await bundled().tell_shaper.exec(conn)


async def only_account(conn: Connection) -> int | None:
    """The id of the installation's one account; None if there are several or none."""
    id_: int | None = await bundled().only_account.value(conn)
    return id_


async def uncounted_runs(
    conn: Connection, *, before: datetime, limit: int, now: datetime
) -> list[tuple[int, int]]:
    """Bulks under way that were not counted since `before`: their ids and last messages."""
    rows = await bundled().uncounted_runs.many(conn, before=before, limit=limit, now=now)
    return [(row["bulk_id"], row["last_id"]) for row in rows]


async def write_counts(conn: Connection, bulk_id: int, counts: Counts, *, now: datetime) -> None:
    """Keep what was counted; with nothing left the bulk is finished."""
    await bundled().write_counts.exec(
        conn,
        bulk_id=bulk_id,
        due=counts.due,
        sending=counts.sending,
        handed_over=counts.handed_over,
        now=now,
    )
