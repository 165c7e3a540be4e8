"""Queries of stage 4: reports to push, and final reports by message."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from linegate.domain.report import FinishedMessage
from linegate.domain.trace import Trace, unpack
from linegate.low_water import BEGINNING, Look
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "DueReport",
    "Endpoint",
    "Interim",
    "due_reports",
    "find_bulks",
    "find_client_id",
    "finished",
    "forget_pushes",
    "give_up_waiting",
    "insert_interim",
    "keep_endpoints",
    "lease_endpoints",
    "load_finished",
    "lowest_reports",
    "next_push_at",
    "release_endpoint",
    "tell_if_due",
]


_MANY_OBJECTS = 2000


class Endpoint(NamedTuple):
    """Where reports go and how: what is sealed stays sealed until it is used.

    failures:  rounds of posts in a row that it failed; is_steady: none, and it has taken some.
    settings, security_type, credentials, certificate: of its profile; None without.
    """

    id: int
    account_id: int
    account: str
    webhook_secret: bytes
    url: str
    content_type: str
    failures: int
    is_steady: bool = False
    is_removed: bool = False
    settings: bytes | None = None
    security_type: str | None = None
    credentials: bytes | None = None
    certificate: bytes | None = None
    turn_at: datetime | None = None


class DueReport(NamedTuple):
    """A report to push. number 0: the final one; due_at: first; retry_at: None before a failure.

    trace: of its request, if this message is told of.
    """

    message: FinishedMessage
    number: int
    tries: int
    due_at: datetime
    retry_at: datetime | None
    trace: Trace | None = None

    @property
    def place(self) -> tuple[datetime, int, int]:
        """Where it stands in the order of its endpoint."""
        return self.retry_at or self.due_at, self.message.id, self.number


class Interim(NamedTuple):
    """An intermediate report, while the message's newest attempt is `attempt`.

    number: 2 * attempt for a hand-over, 2 * attempt + 1 for the end of a leg, so that they are
            told apart and stand in order; 0 is the final report's.
    sender: of the leg; None: the message's own.
    """

    message_id: int
    attempt: int
    number: int
    status: int
    error: int
    at: datetime
    sender: str | None = None


async def lease_endpoints(
    conn: Connection,
    *,
    steady: int,
    doubtful: int,
    leased_until: datetime,
    now: datetime,
    look: Look[int] | None = None,
) -> list[Endpoint]:
    """Take endpoints that have reports due: at most so many that work, so many in doubt.

    look: where to begin with each endpoint; None: at the beginning.
    """
    rows = await bundled().lease_endpoints.many(
        conn,
        steady=steady,
        doubtful=doubtful,
        leased_until=leased_until,
        now=now,
        **_marks(look),
    )
    return [Endpoint(*row) for row in rows]


async def lowest_reports(
    conn: Connection, *, most: int, look: Look[int]
) -> dict[int, datetime | None]:
    """When the oldest report of each endpoint is due, of what lies where the look began.

    Of the `most` endpoints that had their turn last; None: none waits.
    """
    rows = await bundled().lowest_reports.many(conn, most=most, **_marks(look))
    return {row["id"]: row["due_at"] for row in rows}


def _marks(look: Look[int] | None) -> dict[str, object]:
    begins = sorted(look.begins().items()) if look else []
    return {"marked_ids": [id_ for id_, _ in begins], "marks": [since for _, since in begins]}


async def keep_endpoints(
    conn: Connection, endpoints: Sequence[Endpoint], *, leased_until: datetime
) -> None:
    """Go on holding endpoints, but for those that another worker has taken since."""
    ordered = sorted(endpoints, key=lambda each: each.id)
    await bundled().keep_endpoints.exec(
        conn,
        ids=[each.id for each in ordered],
        turns=[each.turn_at for each in ordered],
        leased_until=leased_until,
    )


async def release_endpoint(
    conn: Connection,
    endpoint: Endpoint,
    *,
    failures: int,
    probe_at: datetime | None,
    last_error: str | None,
    taken_at: datetime | None,
    is_gone: bool,
    now: datetime,
) -> None:
    """Give an endpoint back, with what was learnt of it, unless another worker has it by now."""
    await bundled().release_endpoint.exec(
        conn,
        id=endpoint.id,
        turn_at=endpoint.turn_at,
        failures=failures,
        probe_at=probe_at,
        last_error=last_error,
        taken_at=taken_at,
        is_gone=is_gone,
        now=now,
    )


async def tell_if_due(
    conn: Connection, endpoint_id: int, *, now: datetime, since: datetime = BEGINNING
) -> None:
    """Wake a pusher if more is due, after an instant, for an endpoint that was just given back."""
    await bundled().tell_if_due.exec(conn, id=endpoint_id, since=since, now=now)


async def due_reports(
    conn: Connection,
    endpoint_id: int,
    *,
    after: tuple[datetime, int, int],
    in_hand: Sequence[int],
    limit: int,
    now: datetime,
) -> list[DueReport]:
    """The oldest reports that wait for an endpoint, after a place in its order.

    in_hand: messages whose reports are not wanted: they are under way.
    """
    after_at, after_id, after_number = after
    rows = await bundled().due_reports.many(
        conn,
        endpoint_id=endpoint_id,
        after_at=after_at,
        after_id=after_id,
        after_number=after_number,
        in_hand=in_hand,
        limit=limit,
        now=now,
    )
    return [
        DueReport(
            finished(row),
            row["number"],
            row["tries"],
            row["due_at"],
            row["retry_at"],
            _trace_of(row["trace"], row["id"]),
        )
        for row in rows
    ]


async def give_up_waiting(
    conn: Connection, endpoint_id: int, *, before: datetime, limit: int, now: datetime
) -> int:
    """Give up what was due before an instant, at most `limit` at once; gives how many."""
    count: int = await bundled().give_up_waiting.exec(
        conn, endpoint_id=endpoint_id, before=before, limit=limit, now=now
    )
    return count


async def forget_pushes(
    conn: Connection, *, before_id: int, given_up_before: datetime, limit: int
) -> int:
    """Remove reports of messages before an id that will never be pushed; gives how many."""
    count: int = await bundled().forget_pushes.exec(
        conn, before_id=before_id, given_up_before=given_up_before, limit=limit
    )
    return count


async def next_push_at(
    conn: Connection, *, now: datetime, look: Look[int] | None = None
) -> datetime | None:
    """When the next report may be pushed; look: where to begin with each endpoint."""
    at: datetime | None = await bundled().next_push_at.value(conn, now=now, **_marks(look))
    return at


async def insert_interim(conn: Connection, reports: Sequence[Interim], *, now: datetime) -> None:
    """Queue intermediate reports of unfinished messages, where their reports go anywhere."""
    ordered = sorted(reports, key=lambda each: each[:3])
    await bundled().insert_interim.exec(
        conn,
        ids=[each.message_id for each in ordered],
        attempts=[each.attempt for each in ordered],
        numbers=[each.number for each in ordered],
        statuses=[each.status for each in ordered],
        errors=[each.error for each in ordered],
        ats=[each.at for each in ordered],
        senders=[each.sender for each in ordered],
        now=now,
    )


async def find_bulks(
    conn: Connection,
    account_id: int,
    *,
    campaigns: Sequence[str] | None = None,
    entity_id: str | None = None,
    application_id: str | None = None,
    since: datetime,
) -> list[int] | None:
    """The bulks of a campaign, else of an entity, else of an application.

    None where none of them is given, or where they are too many: then the account's own order is
    the shorter way. Bulks that were finished before `since` are left out.
    """
    if campaigns is None and entity_id is None and application_id is None:
        return None
    by_entity = campaigns is None and entity_id is not None
    by_application = campaigns is None and not by_entity
    rows = await bundled().find_bulks.many(
        conn,
        account_id=account_id,
        campaigns=campaigns or (),
        entity_ids=[entity_id] if by_entity else (),
        application_ids=[application_id] if by_application else (),
        since=since,
        limit=_MANY_OBJECTS,
    )
    ids = [row["id"] for row in rows]
    return None if None in ids else ids


async def load_finished(conn: Connection, ids: Sequence[int]) -> list[FinishedMessage]:
    """Final reports by message, oldest first."""
    return [finished(row) for row in await bundled().load_finished.many(conn, ids=ids)]


async def find_client_id(conn: Connection, account_id: int, kind: str, name: str) -> int | None:
    """The message or bulk behind an id that the client chose."""
    id_: int | None = await bundled().find_client_id.value(
        conn, account_id=account_id, kind=kind, name=name
    )
    return id_


def _trace_of(stored: bytes | None, message_id: int) -> Trace | None:
    trace = unpack(stored)
    return trace if trace is not None and trace.covers(message_id) else None


def finished(row: Mapping[str, Any]) -> FinishedMessage:
    """The one place where a row becomes a report's facts."""
    return FinishedMessage(
        id=row["id"],
        client_id=row["client_id"],
        bulk_id=row["bulk_id"],
        bulk_client_id=row["bulk_client_id"],
        destination=row["destination"],
        sender=row["sender"],
        status=row["status"],
        error=row["error"],
        sent_at=row["sent_at"],
        done_at=row["done_at"],
        callback_data=row["callback_data"],
        entity_id=row["entity_id"],
        application_id=row["application_id"],
        campaign=row["campaign"],
        price=row["price"],
        currency=row["currency"],
        by_sms=row["by_sms"],
        parts=row["parts"],
        mcc_mnc=row["mcc_mnc"],
    )
