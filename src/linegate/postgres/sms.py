"""Queries of the SMS leg."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from linegate.domain.decide import DELIVERED, FailOver, Finish, Unfinished
from linegate.domain.decide_sms import SmsAgain, SmsSent, SmsUnfinished
from linegate.domain.trace import trace_name
from linegate.domain.transport import Submitted
from linegate.low_water import BEGINNING, Look
from linegate.postgres.dispatching import Arrived, Tried, attempted
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "DueSms",
    "FailoverFacts",
    "PlannedSms",
    "SmsContent",
    "SmsEnd",
    "SmsInterim",
    "SmsPart",
    "SmsTried",
    "TrackSms",
    "claim_sms",
    "deliver_in_sms_leg",
    "end_due_sms",
    "fail_over",
    "fail_over_waiting",
    "failover_facts",
    "finish_sms",
    "insert_parts",
    "insert_sms_attempts",
    "insert_sms_interim",
    "lowest_sms",
    "move_sms",
    "next_sms_at",
    "renew_sms",
    "sms_contents",
    "track_sms",
]


class FailoverFacts(NamedTuple):
    """What plans a message's SMS. window, failover: JSON; cancelled: its bulk was."""

    destination: str
    window: str | None
    failover: str
    intermediate: bool
    cancelled: bool


class PlannedSms(NamedTuple):
    """A message that leaves its LINE leg, and when its SMS may go."""

    message: Unfinished
    step: FailOver
    due_at: datetime
    deadline_at: datetime
    sender: str | None


class DueSms(NamedTuple):
    """A claimed SMS: what is needed to send it and to decide about it."""

    leg: SmsUnfinished
    object_id: int
    destination: str
    sender: str | None


class SmsContent(NamedTuple):
    """What all SMS of a message object share. window, failover: JSON; trace_id: for the log."""

    window: str | None
    failover: str
    intermediate: bool
    trace_id: str = ""


class SmsTried(NamedTuple):
    """One submission, for the time line."""

    message_id: int
    number: int
    started_at: datetime
    ended_at: datetime
    route_id: int
    submitted: Submitted


class SmsPart(NamedTuple):
    """The provider's id of one part that was handed over."""

    message_id: int
    number: int
    route_id: int
    key: str
    destination: str


class SmsEnd(NamedTuple):
    """The end of a message in its SMS leg; what the provider told of it, if it did."""

    id: int
    attempt: int
    step: Finish
    parts: int = 1
    price: Decimal | None = None
    currency: str | None = None
    mcc_mnc: str | None = None


class SmsInterim(NamedTuple):
    """An intermediate report; number as in reporting.Interim."""

    message_id: int
    number: int
    status: int
    at: datetime
    sender: str


async def failover_facts(conn: Connection, ids: Sequence[int]) -> dict[int, FailoverFacts]:
    """What plans the SMS of these messages; without those that have left their LINE leg."""
    rows = await bundled().failover_facts.many(conn, ids=sorted(ids))
    return {
        row["id"]: FailoverFacts(
            row["destination"],
            row["delivery_window"],
            row["sms_failover"],
            row["intermediate"],
            row["cancelled"],
        )
        for row in rows
    }


async def fail_over(
    conn: Connection, planned: Sequence[PlannedSms], tried: Sequence[Tried], *, now: datetime
) -> int:
    """Put messages into their SMS leg; gives how many were still in their LINE leg.

    tried: the attempts that led there, for the time line.
    """
    ordered = sorted(planned, key=lambda each: each.message.id)
    rows = await bundled().fail_over.many(
        conn,
        ids=[each.message.id for each in ordered],
        attempts=[each.message.attempt for each in ordered],
        statuses=[each.step.line_end.status for each in ordered],
        errors=[each.step.line_end.error for each in ordered],
        due_ats=[each.due_at for each in ordered],
        deadlines=[each.deadline_at for each in ordered],
        senders=[each.sender for each in ordered],
        now=now,
        **attempted(tried),
    )
    return len(rows)


class TrackSms(NamedTuple):
    """What plans the SMS of a track's messages. validity: seconds."""

    validity: int
    sender: str | None


async def track_sms(conn: Connection, track_id: int) -> TrackSms | None:
    """The SMS of a track's messages, if they have one."""
    row = await bundled().track_sms.one(conn, track_id=track_id)
    return None if row is None else TrackSms(*row)


async def fail_over_waiting(
    conn: Connection,
    track_id: int,
    *,
    line_end: Finish,
    due_at: datetime,
    deadline_at: datetime,
    sender: str | None,
    limit: int,
    now: datetime,
) -> int:
    """Put messages that were never released into their SMS leg; gives how many."""
    rows = await bundled().fail_over_waiting.many(
        conn,
        track_id=track_id,
        status=line_end.status,
        error=line_end.error,
        due_at=due_at,
        deadline=deadline_at,
        sms_sender=sender,
        limit=limit,
        now=now,
    )
    return rows[0]["moved"] if rows else 0


async def end_due_sms(
    conn: Connection,
    bulk_id: int,
    last_id: int,
    object_ids: Sequence[int],
    *,
    end: Finish,
    limit: int,
    now: datetime,
) -> int:
    """End SMS of a bulk that were not handed over; gives how many."""
    rows = await bundled().end_due_sms.many(
        conn,
        bulk_id=bulk_id,
        last_id=last_id,
        object_ids=object_ids,
        status=end.status,
        error=end.error,
        limit=limit,
        now=now,
    )
    return len(rows)


async def claim_sms(
    conn: Connection,
    *,
    wanted: Mapping[int, int],
    lease_until: datetime,
    now: datetime,
    look: Look[int] | None = None,
) -> list[DueSms]:
    """Lease due SMS, of each route at most `wanted[route]`; look: where to begin in each route."""
    rows = await bundled().claim_sms.many(
        conn,
        route_ids=list(wanted),
        wanted=list(wanted.values()),
        since=[look.since(id_) if look else BEGINNING for id_ in wanted],
        lease_until=lease_until,
        now=now,
    )
    return [DueSms(SmsUnfinished(*row[:6]), *row[6:]) for row in map(tuple, rows)]


async def lowest_sms(
    conn: Connection, route_ids: Sequence[int], *, look: Look[int]
) -> dict[int, datetime | None]:
    """When the oldest SMS of each route is due, of what lies where the look began."""
    since = [look.since(id_) for id_ in route_ids]
    rows = await bundled().lowest_sms.many(conn, route_ids=route_ids, since=since)
    return {row["id"]: row["due_at"] for row in rows}


async def next_sms_at(
    conn: Connection, route_ids: Sequence[int], *, now: datetime
) -> datetime | None:
    """When the next SMS of these routes may go that may not go yet."""
    at: datetime | None = await bundled().next_sms_at.value(conn, route_ids=route_ids, now=now)
    return at


async def sms_contents(conn: Connection, object_ids: Sequence[int]) -> dict[int, SmsContent]:
    """What the SMS of message objects say."""
    rows = await bundled().sms_contents.many(conn, ids=object_ids)
    return {row[0]: SmsContent(row[1], row[2], row[3], trace_name(row[4])) for row in rows}


async def renew_sms(
    conn: Connection, held: Sequence[tuple[int, int]], *, lease_until: datetime
) -> None:
    """Keep SMS that are still being sent; held: message id and attempt."""
    ordered = sorted(held)
    await bundled().renew_sms.exec(
        conn,
        ids=[id_ for id_, _ in ordered],
        attempts=[attempt for _, attempt in ordered],
        lease_until=lease_until,
    )


async def insert_sms_attempts(conn: Connection, tried: Sequence[SmsTried]) -> None:
    """Write what was tried, in ascending order of messages."""
    ordered = sorted(tried, key=lambda each: each[:2])
    outcomes = [each.submitted.outcome for each in ordered]
    await bundled().insert_sms_attempts.exec(
        conn,
        ids=[each.message_id for each in ordered],
        attempts=[each.number for each in ordered],
        started=[each.started_at for each in ordered],
        ended=[each.ended_at for each in ordered],
        outcomes=[outcome.kind.value for outcome in outcomes],
        codes=[outcome.code for outcome in outcomes],
        errors=[outcome.error for outcome in outcomes],
        request_ids=[outcome.request_id for outcome in outcomes],
        details=[outcome.detail for outcome in outcomes],
        route_ids=[each.route_id for each in ordered],
        parts=[each.submitted.parts for each in ordered],
    )


async def move_sms(
    conn: Connection, steps: Sequence[tuple[SmsUnfinished, SmsSent | SmsAgain, int]]
) -> set[int]:
    """Put legs to what they wait for next, with their parts; gives those that were still ours."""
    ordered = sorted(steps, key=lambda each: each[0].id)
    legs = [leg for leg, _, _ in ordered]
    nexts = [step for _, step, _ in ordered]
    rows = await bundled().move_sms.many(
        conn,
        ids=[leg.id for leg in legs],
        attempts=[leg.attempt for leg in legs],
        steps=["sent" if isinstance(step, SmsSent) else "due" for step in nexts],
        due_ats=[step.until if isinstance(step, SmsSent) else step.at for step in nexts],
        sent_ats=[step.sent_at if isinstance(step, SmsSent) else None for step in nexts],
        unknowns=[
            leg.unknowns if isinstance(step, SmsSent) else step.unknowns for leg, step, _ in ordered
        ],
        failures=[
            leg.failures if isinstance(step, SmsSent) else step.failures for leg, step, _ in ordered
        ],
        parts=[parts for _, _, parts in ordered],
    )
    return {row["id"] for row in rows}


async def insert_parts(conn: Connection, parts: Sequence[SmsPart]) -> None:
    """Write the provider's ids of what was handed over."""
    ids, numbers, route_ids, keys, destinations = zip(*sorted(parts), strict=True)
    await bundled().insert_sms_parts.exec(
        conn,
        ids=ids,
        numbers=numbers,
        route_ids=route_ids,
        keys=keys,
        destinations=destinations,
    )


async def finish_sms(conn: Connection, ends: Sequence[SmsEnd], *, now: datetime) -> set[int]:
    """End messages, with their final rows and reports; gives those that were still ours."""
    ordered = sorted(ends, key=lambda each: each.id)
    rows = await bundled().finish_sms.many(
        conn,
        ids=[each.id for each in ordered],
        attempts=[each.attempt for each in ordered],
        statuses=[each.step.status for each in ordered],
        errors=[each.step.error for each in ordered],
        parts=[each.parts for each in ordered],
        prices=[each.price for each in ordered],
        currencies=[each.currency for each in ordered],
        networks=[each.mcc_mnc for each in ordered],
        now=now,
    )
    return {row["id"] for row in rows}


async def deliver_in_sms_leg(
    conn: Connection, events: Sequence[Arrived], *, now: datetime
) -> dict[int, bool]:
    """End messages that LINE delivered after all; gives each with whether its SMS was stopped."""
    ids, attempts, senders, happened = zip(*sorted(events), strict=True)
    rows = await bundled().deliver_in_sms_leg.many(
        conn,
        ids=ids,
        attempts=attempts,
        sender_ids=senders,
        happened=happened,
        status=DELIVERED.status,
        error=DELIVERED.error,
        now=now,
    )
    return {row["id"]: row["step"] == "due" for row in rows}


async def insert_sms_interim(
    conn: Connection, reports: Sequence[SmsInterim], *, now: datetime
) -> None:
    """Queue intermediate reports of messages in their SMS leg."""
    ordered = sorted(reports)
    await bundled().insert_sms_interim.exec(
        conn,
        ids=[each.message_id for each in ordered],
        numbers=[each.number for each in ordered],
        statuses=[each.status for each in ordered],
        ats=[each.at for each in ordered],
        senders=[each.sender for each in ordered],
        now=now,
    )
