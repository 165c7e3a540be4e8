"""Steering bulks: pause, resume, cancel, reschedule, change of speed, and how far they are.

Each word is one small change of the bulk's row, whatever its size; the shaper hears of it at once
and does the rest in chunks. A bulk that was due when accepted gets its row when it is first
steered. Whoever says it, and whichever way: the same transaction writes it into the audit log.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from linegate.domain.forecast import Lot, forecast
from linegate.domain.ids import public_id, read_public_id
from linegate.domain.pace import Pace
from linegate.domain.steering import BulkStatus, run_word, status_of, why_not
from linegate.postgres.audit import By, note_change
from linegate.postgres.pool import Connection, Pool, transaction
from linegate.postgres.reporting import find_client_id
from linegate.postgres.steering import (
    BulkRow,
    Counts,
    bulk_rate,
    count_steps,
    count_waiting,
    find_bulk,
    has_unfinished,
    held_objects,
    list_runs,
    lock_run,
    make_run,
    objects_of,
    resume_objects,
    say_pace,
    say_send_at,
    say_status,
    waiting_lots,
    wake_run,
)

__all__ = [
    "BulkView",
    "Change",
    "NotAllowed",
    "Steering",
    "give_change",
    "give_status",
    "view_bulk",
]

_COUNTED_LIVE = 10_000  # unfinished messages; more were counted in the background
_NEWEST = 1 << 62


@dataclass(frozen=True, slots=True)
class BulkView:
    """Where a bulk is.

    bulk_id:    how the client knows it; `id` is ours.
    waiting:    never released.
    counts:     released and unfinished; `counted_at` says when, for a large one.
    held:       LINE's words about contents of it that are not tried any more.
    ends_at:    when the last message will leave if nothing goes wrong; None: nothing is left, or
                it is stopped.
    """

    id: int
    bulk_id: str
    status: BulkStatus
    accepted_at: datetime
    send_at: datetime
    pace: Pace | None
    messages: int
    waiting: int
    counts: Counts
    counted_at: datetime
    held: tuple[str, ...]
    ends_at: datetime | None
    reason: str | None

    @property
    def ended(self) -> int:
        """How many have their final report, rejected ones included."""
        return max(0, self.messages - self.waiting - sum(self.counts))


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a bulk; what is not given stays.

    no_pace: as fast as LINE takes it.
    """

    send_at: datetime | None = None
    pace: Pace | None = None
    no_pace: bool = False


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """The bulk is not where this can be asked of it."""

    property: str
    reason: str


class Steering:
    """Where an account's bulks are, and words to them."""

    def __init__(self, pool: Pool) -> None:
        """Steer over `pool`."""
        self._pool = pool

    async def show(self, account_id: int, name: str, now: datetime) -> BulkView | None:
        """A bulk by its bulkId; None if the account has none of that name."""
        async with self._pool.acquire() as conn:
            return await view_bulk(conn, account_id, name, now)

    async def page(
        self, account_id: int, *, before: str | None, limit: int, now: datetime
    ) -> list[BulkView]:
        """Bulks that were scheduled, imported, large or steered, the newest first.

        before: the bulkId of the last one of the page before.
        """
        async with self._pool.acquire() as conn:
            start = _NEWEST
            if before is not None:
                last = await _find(conn, account_id, before)
                if last is None:
                    return []
                start = last.id
            rows = await list_runs(conn, account_id, before=start, limit=limit)
            return [await _view(conn, row, now) for row in rows]

    async def set_status(
        self, account_id: int, name: str, wanted: BulkStatus, by: By
    ) -> BulkStatus | NotAllowed | None:
        """Give a bulk a status; gives what it then has, or None for an unknown bulk."""
        async with transaction(self._pool) as conn:
            return await give_status(conn, account_id, name, wanted, by)

    async def change(
        self, account_id: int, name: str, change: Change, by: By
    ) -> BulkView | NotAllowed | None:
        """Give a bulk another time or pace; gives where it then is, None for an unknown bulk."""
        async with transaction(self._pool) as conn:
            return await give_change(conn, account_id, name, change, by)


async def view_bulk(conn: Connection, account_id: int, name: str, now: datetime) -> BulkView | None:
    """A bulk by its bulkId; None if the account has none of that name."""
    bulk = await _find(conn, account_id, name)
    return None if bulk is None else await _view(conn, bulk, now)


async def give_status(
    conn: Connection, account_id: int, name: str, wanted: BulkStatus, by: By
) -> BulkStatus | NotAllowed | None:
    """Give a bulk a status in the caller's transaction; gives what it then has."""
    locked = await _lock(conn, account_id, name, by.now)
    if locked is None:
        return None
    bulk, current = locked
    if current is BulkStatus.PENDING and bulk.status == "importing":
        return NotAllowed("status", "cannot change: the bulk is still being imported")
    refusal = why_not(current, wanted)
    if refusal is not None:
        return NotAllowed("status", refusal)
    if wanted is BulkStatus.PROCESSING and current is not BulkStatus.PAUSED:
        # Already going: what of it LINE refused is what is to go on.
        if count := await resume_objects(conn, bulk.id, now=by.now):
            await wake_run(conn, bulk.id, now=by.now)
            await _note(conn, account_id, bulk, by, refused_contents=(count, 0))
        return current
    if wanted is current:
        return current
    await say_status(conn, bulk.id, run_word(wanted), now=by.now)
    if wanted is not BulkStatus.PAUSED:
        # What LINE refused goes on too; of a cancelled bulk it is parked until it ends.
        await resume_objects(conn, bulk.id, now=by.now)
    _, after = await _lock(conn, account_id, name, by.now) or locked
    await _note(conn, account_id, bulk, by, status=(current.value, after.value))
    return after


async def give_change(
    conn: Connection, account_id: int, name: str, change: Change, by: By
) -> BulkView | NotAllowed | None:
    """Give a bulk another time or pace in the caller's transaction; gives where it then is."""
    locked = await _lock(conn, account_id, name, by.now)
    if locked is None:
        return None
    before, current = locked
    refusal = _why_not_changed(current, change)
    if refusal is not None:
        return refusal
    if change.send_at is not None:
        await say_send_at(conn, before.id, max(change.send_at, by.now), now=by.now)
    if change.pace is not None or change.no_pace:
        await say_pace(conn, before.id, change.pace, now=by.now)
    after = await find_bulk(conn, account_id, before.id)
    if after is None:
        return None
    times = (before.send_at.isoformat(), after.send_at.isoformat())
    speeds = (_speed(before.pace), _speed(after.pace))
    await _note(conn, account_id, after, by, send_at=times, speed=speeds)
    return await _view(conn, after, by.now)


async def _note(
    conn: Connection, account_id: int, bulk: BulkRow, by: By, **fields: tuple[object, object]
) -> None:
    """Write what differs into the audit log: name, before and after."""
    changes = {name: list(pair) for name, pair in fields.items() if pair[0] != pair[1]}
    if changes:
        await note_change(
            conn,
            account_id=account_id,
            actor=by.actor,
            kind="bulk",
            subject=_name(bulk),
            changes=changes,
            now=by.now,
        )


def _speed(pace: Pace | None) -> str:
    if pace is None:
        return "as fast as LINE takes it"
    return f"{pace.amount} per {pace.unit_name.lower()}"


def _name(bulk: BulkRow) -> str:
    """How the client knows it."""
    return bulk.client_id or public_id(bulk.id)


def _why_not_changed(current: BulkStatus, change: Change) -> NotAllowed | None:
    if current in (BulkStatus.CANCELED, BulkStatus.FINISHED, BulkStatus.FAILED):
        name = "sendAt" if change.send_at is not None else "sendingSpeedLimit"
        return NotAllowed(name, f"cannot change: the bulk is {current.value}")
    if change.send_at is not None and current is BulkStatus.PROCESSING:
        return NotAllowed("sendAt", "cannot change while PROCESSING: pause the bulk first")
    return None


async def _find(conn: Connection, account_id: int, name: str) -> BulkRow | None:
    bulk_id = await find_client_id(conn, account_id, "bulk", name)
    if bulk_id is None:
        bulk_id = read_public_id(name)
    return None if bulk_id is None else await find_bulk(conn, account_id, bulk_id)


async def _lock(
    conn: Connection, account_id: int, name: str, now: datetime
) -> tuple[BulkRow, BulkStatus] | None:
    """A bulk and its status, with its row made and locked: what it says holds."""
    found = await _find(conn, account_id, name)
    if found is None:
        return None
    if found.status is None:
        await make_run(conn, account_id, found.id, now=now)
    if not await lock_run(conn, account_id, found.id):
        return None
    bulk = await find_bulk(conn, account_id, found.id)  # what it said before the lock may be over
    if bulk is None:
        return None
    is_over = bulk.finished_at is not None
    is_finished = is_over or not await has_unfinished(conn, bulk.id, bulk.last_id)
    return bulk, status_of(bulk.status, send_at=bulk.send_at, is_finished=is_finished, now=now)


async def _view(conn: Connection, bulk: BulkRow, now: datetime) -> BulkView:
    waiting = await count_waiting(conn, bulk.id)
    counts, counted_at = await _counts(conn, bulk, now)
    is_finished = bulk.finished_at is not None or waiting + sum(counts) == 0
    status = status_of(bulk.status, send_at=bulk.send_at, is_finished=is_finished, now=now)
    held = await held_objects(conn, bulk.id)
    return BulkView(
        id=bulk.id,
        bulk_id=_name(bulk),
        status=status,
        accepted_at=bulk.accepted_at,
        send_at=bulk.send_at,
        pace=bulk.pace,
        messages=bulk.messages,
        waiting=waiting,
        counts=counts,
        counted_at=counted_at,
        held=tuple(dict.fromkeys(each.reason for each in held)),
        ends_at=await _ends_at(conn, bulk, status, counts, now),
        reason=bulk.reason,
    )


async def _counts(conn: Connection, bulk: BulkRow, now: datetime) -> tuple[Counts, datetime]:
    """What is unfinished: counted now, or for a large bulk as it was counted last."""
    if bulk.finished_at is not None:
        return Counts(0, 0, 0), now
    objects = await objects_of(conn, bulk.id, bulk.last_id, has_run=bulk.status is not None)
    counts = await count_steps(conn, bulk.id, bulk.last_id, objects, limit=_COUNTED_LIVE)
    if counts is not None:
        return counts, now
    return bulk.counts, bulk.counted_at or bulk.accepted_at


async def _ends_at(
    conn: Connection, bulk: BulkRow, status: BulkStatus, counts: Counts, now: datetime
) -> datetime | None:
    """When the last message will have left."""
    if status not in (BulkStatus.PENDING, BulkStatus.PROCESSING) or bulk.status == "importing":
        return None
    lots, rate = await waiting_lots(conn, bulk.id)
    if rate is None:
        rate = await bulk_rate(conn, bulk.id, bulk.last_id) or 1
    if counts.due:
        lots = [Lot(counts.due, timedelta(days=365)), *lots]
    start = bulk.send_at
    if bulk.pace is not None and bulk.free_at is not None:
        start = max(start, bulk.free_at)
    return forecast(lots, pace=bulk.pace, send_at=start, per_second=rate, now=now).last_at
