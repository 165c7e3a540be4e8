"""Queries of stage 4: reports to push and to pull."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from linegate.domain.report import FinishedMessage
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "Endpoint",
    "PullFilter",
    "due_reports",
    "find_client_id",
    "keep_endpoint",
    "lease_endpoints",
    "next_push_at",
    "pull_reports",
    "release_endpoint",
    "reports_failed",
    "reports_taken",
]


class Endpoint(NamedTuple):
    """Where reports go, what signs them (sealed), and how many posts in a row it failed."""

    id: int
    account_id: int
    account: str
    webhook_secret: bytes
    url: str
    content_type: str
    failures: int


class PullFilter(NamedTuple):
    """Which reports a client asks for; None means any."""

    message_id: int | None = None
    bulk_id: int | None = None
    entity_id: str | None = None
    application_id: str | None = None
    campaign: str | None = None


async def lease_endpoints(
    conn: Connection, *, limit: int, leased_until: datetime, now: datetime
) -> list[Endpoint]:
    """Take at most `limit` endpoints that have reports due."""
    rows = await bundled().lease_endpoints.many(
        conn, limit=limit, leased_until=leased_until, now=now
    )
    return [Endpoint(*row) for row in rows]


async def keep_endpoint(conn: Connection, endpoint_id: int, *, leased_until: datetime) -> None:
    """Go on holding an endpoint."""
    await bundled().keep_endpoint.exec(conn, id=endpoint_id, leased_until=leased_until)


async def release_endpoint(
    conn: Connection,
    endpoint_id: int,
    *,
    failures: int,
    probe_at: datetime | None,
    last_error: str | None,
) -> None:
    """Give an endpoint back, with what was learnt of it."""
    await bundled().release_endpoint.exec(
        conn, id=endpoint_id, failures=failures, probe_at=probe_at, last_error=last_error
    )


async def due_reports(
    conn: Connection, endpoint_id: int, *, limit: int, now: datetime
) -> list[tuple[FinishedMessage, int]]:
    """The oldest reports that wait for an endpoint, each with its failed tries."""
    rows = await bundled().due_reports.many(conn, endpoint_id=endpoint_id, limit=limit, now=now)
    return [(_finished(row), row["tries"]) for row in rows]


async def reports_taken(conn: Connection, message_ids: Sequence[int]) -> None:
    """The endpoint has these."""
    await bundled().reports_taken.exec(conn, ids=sorted(message_ids))


async def reports_failed(
    conn: Connection, failed: Sequence[tuple[int, int, datetime | None]], *, now: datetime
) -> None:
    """Try again later; each as message, tries, when (None: given up)."""
    ordered = sorted(failed, key=lambda each: each[0])
    await bundled().reports_failed.exec(
        conn,
        ids=[id_ for id_, _, _ in ordered],
        tries=[tries for _, tries, _ in ordered],
        due_ats=[due_at for _, _, due_at in ordered],
        now=now,
    )


async def next_push_at(conn: Connection, *, now: datetime) -> datetime | None:
    """When the next report may be pushed."""
    at: datetime | None = await bundled().next_push_at.value(conn, now=now)
    return at


async def pull_reports(
    conn: Connection, account_id: int, asked: PullFilter, *, limit: int, since: datetime
) -> list[FinishedMessage]:
    """Hand out an account's oldest final reports, each once."""
    rows = await bundled().pull_reports.many(
        conn,
        account_id=account_id,
        message_id=asked.message_id,
        bulk_id=asked.bulk_id,
        entity_id=asked.entity_id,
        application_id=asked.application_id,
        campaign=asked.campaign,
        limit=limit,
        since=since,
    )
    return [_finished(row) for row in rows]


async def find_client_id(conn: Connection, account_id: int, kind: str, name: str) -> int | None:
    """The message or bulk behind an id that the client chose."""
    id_: int | None = await bundled().find_client_id.value(
        conn, account_id=account_id, kind=kind, name=name
    )
    return id_


def _finished(row: asyncpg.Record) -> FinishedMessage:
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
    )
