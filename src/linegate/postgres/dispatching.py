"""Queries of stage 3: claim, settle, and LINE's delivery events."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from linegate.domain.decide import (
    DELIVERED,
    Finish,
    State,
    TryAgain,
    Unfinished,
    WaitForEvent,
)
from linegate.domain.outcome import Outcome
from linegate.domain.trace import trace_name
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "NOTHING_MOVED",
    "Arrived",
    "Content",
    "DueMessage",
    "Moved",
    "Tried",
    "attempted",
    "claim_due",
    "deliver",
    "finish",
    "give_back",
    "load_objects",
    "load_placeholders",
    "move",
    "next_due_at",
    "record_late",
    "renew_leases",
    "slow_sender",
    "take_impatient",
    "take_overdue",
    "wake_runs",
]


class DueMessage(NamedTuple):
    """A claimed message: what is needed to send it and to decide about it.

    paced: its instant is a slot of its bulk's speed limit.
    """

    unfinished: Unfinished
    sender_id: int
    object_id: int
    destination: str
    due_at: datetime
    paced: bool


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


async def claim_due(
    conn: Connection,
    *,
    wanted: Mapping[int, int],
    limit: int,
    burst: timedelta,
    lease_until: datetime,
    horizon: datetime,
    stale: datetime,
    now: datetime,
) -> list[DueMessage]:
    """Lease at most `limit` due messages, of each sender at most `wanted[sender]`.

    burst:   how far ahead of LINE's even pace a sender may run.
    horizon: what is due before this instant comes along.
    stale:   slots of a speed limit up to this instant have passed and are not used.
    """
    rows = await bundled().claim_due.many(
        conn,
        sender_ids=list(wanted),
        wanted=list(wanted.values()),
        limit=limit,
        burst=burst,
        lease_until=lease_until,
        horizon=horizon,
        stale=stale,
        now=now,
    )
    return [
        DueMessage(
            Unfinished(id_, attempt, unknowns, failures, deadline_at, sent_at, fails_over),
            sender_id,
            object_id,
            destination,
            due_at,
            paced,
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
        ) in rows
    ]


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


async def take_impatient(
    conn: Connection, *, limit: int, now: datetime
) -> list[tuple[Unfinished, State]]:
    """Messages that waited long enough in `sending`, `sent` or `unknown`; locked."""
    rows = await bundled().take_impatient.many(conn, limit=limit, now=now)
    return [_waiting(*row) for row in rows]


async def take_overdue(
    conn: Connection, *, limit: int, now: datetime
) -> list[tuple[Unfinished, State]]:
    """Due messages whose validity has run out; locked."""
    rows = await bundled().take_overdue.many(conn, limit=limit, now=now)
    return [_waiting(*row) for row in rows]


def _waiting(*row: Any) -> tuple[Unfinished, State]:
    """A row of take_impatient or take_overdue: what is decided about, and its step."""
    *facts, step = row
    return Unfinished(*facts), State(step)
