"""Queries of stage 3: claim, settle, and LINE's delivery events."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

from linegate.domain.decide import (
    DELIVERED,
    Finish,
    TryAgain,
    Unfinished,
    WaitForEvent,
)
from linegate.domain.outcome import Outcome
from linegate.domain.trace import trace_name
from linegate.low_water import BEGINNING, Look
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "NOTHING_MOVED",
    "Arrived",
    "Content",
    "DueMessage",
    "DuePart",
    "Moved",
    "Tried",
    "attempted",
    "claim_due",
    "deliver",
    "finish",
    "give_back",
    "load_objects",
    "load_placeholders",
    "lowest_due",
    "move",
    "next_due_at",
    "record_late",
    "renew_leases",
    "slow_sender",
    "wake_runs",
]


DuePart: TypeAlias = tuple[int, str]
"""A part of the queue with an order of its own: a sender, and `due_alone` or `due_bulk`."""


class DueMessage(NamedTuple):
    """A claimed message: what is needed to send it and to decide about it.

    paced: its instant is a slot of its bulk's speed limit.
    part: where it was due.
    """

    unfinished: Unfinished
    sender_id: int
    object_id: int
    destination: str
    due_at: datetime
    paced: bool
    part: DuePart


class Tried(NamedTuple):
    """One attempt, for the time line."""

    message_id: int
    number: int
    started_at: datetime
    ended_at: datetime
    outcome: Outcome


class Moved(NamedTuple):
    """What `move` did.

    written: how many messages.
    back:    the objects of those that wait for another try.
    parked:  whether some of them were, because their bulk was stopped.
    """

    written: int
    back: list[int]
    parked: bool


NOTHING_MOVED = Moved(0, [], parked=False)


class Arrived(NamedTuple):
    """One delivery event of LINE, for the message and attempt that its tag names."""

    message_id: int
    attempt: int
    sender_id: int
    happened_at: datetime


async def claim_due(  # noqa: PLR0913 - one for each parameter of the statement
    conn: Connection,
    *,
    wanted: Mapping[int, int],
    limit: int,
    burst: timedelta,
    lease_until: datetime,
    horizon: datetime,
    stale: datetime,
    now: datetime,
    look: Look[DuePart] | None = None,
) -> list[DueMessage]:
    """Lease at most `limit` due messages, of each sender at most `wanted[sender]`.

    burst:   how far ahead of LINE's even pace a sender may run.
    horizon: what is due before this instant comes along.
    stale:   slots of a speed limit up to this instant have passed and are not used.
    look:    where to begin; None: at the beginning.
    """
    rows = await bundled().claim_due.many(
        conn,
        **_begins(list(wanted), look),
        wanted=list(wanted.values()),
        limit=limit,
        burst=burst,
        lease_until=lease_until,
        horizon=horizon,
        stale=stale,
        now=now,
    )
    return _due_messages(rows)


def _due_messages(rows: Iterable[Sequence[Any]]) -> list[DueMessage]:
    """Rows of `claim_due`, in the order of its columns: names cost as much as all else here."""
    return [
        DueMessage(
            Unfinished(id_, attempt, unknowns, failures, deadline_at, sent_at, fails_over),
            sender_id,
            object_id,
            destination,
            due_at,
            paced,
            (sender_id, came_from),
        )
        for (
            due_at,
            id_,
            sender_id,
            object_id,
            destination,
            attempt,
            unknowns,
            failures,
            deadline_at,
            sent_at,
            fails_over,
            paced,
            came_from,
        ) in rows
    ]


async def lowest_due(
    conn: Connection, sender_ids: Sequence[int], *, look: Look[DuePart]
) -> dict[DuePart, datetime | None]:
    """When the oldest of each part is due, of what lies where the look began; None: nothing is."""
    rows = await bundled().lowest_due.many(conn, **_begins(sender_ids, look))
    lowest: dict[DuePart, datetime | None] = {}
    for id_, alone_at, bulk_at in rows:
        lowest[id_, "due_alone"] = alone_at
        lowest[id_, "due_bulk"] = bulk_at
    return lowest


def _begins(sender_ids: Sequence[int], look: Look[DuePart] | None) -> dict[str, object]:
    alone = bulk = [BEGINNING] * len(sender_ids)
    if look is not None and not look.is_full:
        alone = [look.since((id_, "due_alone")) for id_ in sender_ids]
        bulk = [look.since((id_, "due_bulk")) for id_ in sender_ids]
    return {"sender_ids": sender_ids, "alone_since": alone, "bulk_since": bulk}


class Content(NamedTuple):
    """What all messages of an object share. window: JSON, or None.

    intermediate: the client wants to be told of hand-overs too.
    personal:     each message fills in texts of its own.
    trace_id:     as logs write it; '' if the request is not traced.
    """

    templated: bool
    line_message: bytes
    window: str | None
    intermediate: bool
    personal: bool
    trace_id: str = ""


async def load_objects(conn: Connection, ids: Sequence[int]) -> dict[int, Content]:
    """What each object's messages share on their way to LINE."""
    rows = await bundled().load_objects.many(conn, ids=ids)
    return {
        row["id"]: Content(
            row["templated"],
            row["line_message"].encode(),
            row["delivery_window"],
            row["intermediate"],
            row["personal"],
            trace_name(row["trace"]),
        )
        for row in rows
    }


async def load_placeholders(conn: Connection, ids: Sequence[int]) -> dict[int, str]:
    """The texts of personalised messages, JSON objects by message."""
    rows = await bundled().load_placeholders.many(conn, ids=ids)
    return {row["id"]: row["placeholders"] for row in rows}


async def next_due_at(
    conn: Connection, sender_ids: Sequence[int], *, now: datetime
) -> datetime | None:
    """When the next of these senders' messages may go that may not go yet."""
    at: datetime | None = await bundled().next_due_at.value(conn, sender_ids=sender_ids, now=now)
    return at


async def wake_runs(
    conn: Connection, object_ids: Sequence[int], *, parked: bool, now: datetime
) -> None:
    """Messages of these objects went back: the shaper sees to bulks that are steered.

    parked: some were parked, perhaps by a word that has been taken back since.
    """
    ids = sorted(set(object_ids))
    await bundled().wake_runs.many(conn, object_ids=ids, parked=parked, now=now)


async def slow_sender(conn: Connection, sender_id: int, *, until: datetime) -> None:
    """Send nothing of this sender before `until`."""
    await bundled().slow_sender.exec(conn, sender_id=sender_id, until=until)


async def renew_leases(
    conn: Connection, held: Sequence[tuple[int, int]], *, lease_until: datetime
) -> None:
    """Keep messages that are still being sent; held: message id and attempt."""
    await bundled().renew_leases.exec(conn, **_fenced(held), lease_until=lease_until)


async def give_back(conn: Connection, held: Sequence[tuple[int, int]], *, now: datetime) -> None:
    """Return claimed messages that were never started; held: message id and attempt."""
    await bundled().give_back.exec(conn, **_fenced(held), now=now)


def _fenced(held: Sequence[tuple[int, int]]) -> dict[str, object]:
    ordered = sorted(held)
    return {"ids": [id_ for id_, _ in ordered], "attempts": [attempt for _, attempt in ordered]}


def attempted(tried: Sequence[Tried]) -> dict[str, object]:
    """What was tried, column by column."""
    return {
        "tried_ids": [each.message_id for each in tried],
        "tried_numbers": [each.number for each in tried],
        "started": [each.started_at for each in tried],
        "ended": [each.ended_at for each in tried],
        "outcomes": [each.outcome.kind.value for each in tried],
        "codes": [each.outcome.code for each in tried],
        "tried_errors": [each.outcome.error for each in tried],
        "request_ids": [each.outcome.request_id for each in tried],
        "details": [each.outcome.detail for each in tried],
    }


async def move(
    conn: Connection,
    steps: Sequence[tuple[Unfinished, WaitForEvent | TryAgain]],
    tried: Sequence[Tried] = (),
) -> Moved:
    """Put unfinished messages to what they wait for next, those that were still ours.

    tried: the attempts that led there, for the time line.
    """
    ordered = sorted(steps, key=lambda each: each[0].id)
    states: list[str | None] = []
    due_ats: list[datetime] = []
    sent_ats: list[datetime | None] = []
    unknowns: list[int] = []
    failures: list[int] = []
    for message, step in ordered:
        if isinstance(step, WaitForEvent):
            states.append(step.state.value)
            due_ats.append(step.until)
            sent_ats.append(step.sent_at)
            unknowns.append(step.unknowns)
            failures.append(message.failures)
        else:
            states.append(None)  # to where it was due
            due_ats.append(step.at)
            sent_ats.append(None)
            unknowns.append(message.unknowns)
            failures.append(step.failures)
    rows = await bundled().move.many(
        conn,
        ids=[message.id for message, _ in ordered],
        attempts=[message.attempt for message, _ in ordered],
        steps=states,
        due_ats=due_ats,
        sent_ats=sent_ats,
        unknowns=unknowns,
        failures=failures,
        **attempted(tried),
    )
    back = [row for row in rows if row["went_back"]]
    return Moved(
        len(rows),
        [row["object_id"] for row in back],
        parked=any(row["step"] == "held" for row in back),
    )


async def finish(
    conn: Connection,
    steps: Sequence[tuple[Unfinished, Finish]],
    tried: Sequence[Tried] = (),
    *,
    now: datetime,
) -> int:
    """End messages, with their final rows and reports; gives how many were still ours.

    tried: the attempts that led there, for the time line.
    """
    ordered = sorted(steps, key=lambda each: each[0].id)
    rows = await bundled().finish.many(
        conn,
        ids=[message.id for message, _ in ordered],
        attempts=[message.attempt for message, _ in ordered],
        statuses=[step.status for _, step in ordered],
        errors=[step.error for _, step in ordered],
        now=now,
        **attempted(tried),
    )
    return len(rows)


async def deliver(conn: Connection, events: Sequence[Arrived], *, now: datetime) -> dict[int, bool]:
    """End the messages that LINE says were delivered; gives those that were unfinished.

    True for one whose outcome was unknown until now.
    """
    ids, attempts, senders, happened = zip(*sorted(events), strict=True)
    rows = await bundled().deliver.many(
        conn,
        ids=ids,
        attempts=attempts,
        sender_ids=senders,
        happened=happened,
        status=DELIVERED.status,
        error=DELIVERED.error,
        now=now,
    )
    return {row["id"]: row["was_unknown"] for row in rows}


async def record_late(conn: Connection, events: Sequence[Arrived], *, now: datetime) -> int:
    """Keep events of messages that had ended; gives how many those were."""
    ids, attempts, senders, happened = zip(*sorted(events), strict=True)
    rows = await bundled().record_late.many(
        conn, ids=ids, attempts=attempts, sender_ids=senders, happened=happened, now=now
    )
    return len(rows)
