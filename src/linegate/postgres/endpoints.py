"""Queries about endpoints as the operator sees them, and about prices."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from linegate.domain.status import STATUSES
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled
from linegate.postgres.reporting import Endpoint

__all__ = [
    "COUNTED_TO",
    "EndpointRow",
    "Waiting",
    "endpoint_for_test",
    "list_endpoints",
    "replay",
    "replay_some",
    "retry_endpoint",
    "set_price",
    "waiting_by_endpoint",
    "whose_endpoint",
]

COUNTED_TO = 1_000_000
"""Reports of one endpoint are counted to here and no further."""


class EndpointRow(NamedTuple):
    """One endpoint; waiting and given_up are counted to COUNTED_TO."""

    id: int
    account: str
    is_default: bool
    profile_id: str | None
    url: str
    content_type: str
    failures: int
    last_error: str | None
    probe_at: datetime | None
    taken_at: datetime | None
    gone_at: datetime | None
    removed_at: datetime | None
    waiting: int
    given_up: int
    next_at: datetime | None

    @property
    def state(self) -> str:
        """In one word: removed, gone, failing, working or new."""
        if self.removed_at is not None:
            return "removed"
        if self.gone_at is not None:
            return "gone"
        if self.failures:
            return "failing"
        return "working" if self.taken_at is not None else "new"


class Owner(NamedTuple):
    """Whose an endpoint is, and what it is called."""

    account_id: int
    url: str


class Waiting(NamedTuple):
    """What waits for one endpoint."""

    endpoint_id: int
    failures: int
    waiting: int
    given_up: int


async def list_endpoints(
    conn: Connection, *, account: str | None = None, endpoint_id: int | None = None
) -> list[EndpointRow]:
    """Endpoints of an account, of all, or the one."""
    rows = await bundled().list_endpoints.many(
        conn, account=account, id=endpoint_id, most=COUNTED_TO
    )
    return [EndpointRow(*row) for row in rows]


async def waiting_by_endpoint(conn: Connection, *, limit: int) -> list[Waiting]:
    """The endpoints for which the most waits, at most `limit`."""
    rows = await bundled().waiting_by_endpoint.many(conn, limit=limit, most=COUNTED_TO)
    return [Waiting(*row) for row in rows]


async def retry_endpoint(conn: Connection, endpoint_id: int, *, now: datetime) -> int:
    """Try what waits for it now; gives how many reports that brings forward."""
    count: int | None = await bundled().retry_endpoint.value(conn, id=endpoint_id, now=now)
    return count or 0


async def replay(
    conn: Connection,
    endpoint_id: int,
    *,
    since: datetime,
    until: datetime,
    with_taken: bool,
    now: datetime,
) -> int:
    """Queue an endpoint's reports of a range of time again; gives how many.

    with_taken: those it took too, and not only those that were given up.
    """
    count: int = await bundled().replay_given_up.exec(
        conn, id=endpoint_id, since=since, until=until, now=now
    )
    if with_taken:
        count += await bundled().replay_taken.exec(
            conn, id=endpoint_id, statuses=_statuses(), since=since, until=until, now=now
        )
    await bundled().wake_pushers.exec(conn)
    return count


async def replay_some(
    conn: Connection, endpoint_id: int, message_ids: Sequence[int], *, now: datetime
) -> int:
    """Queue these reports that an endpoint has not taken again; gives how many."""
    count: int = await bundled().replay_some.exec(
        conn, endpoint_id=endpoint_id, message_ids=message_ids, now=now
    )
    await bundled().wake_pushers.exec(conn)
    return count


async def whose_endpoint(conn: Connection, endpoint_id: int) -> Owner | None:
    """Whose an endpoint is, and its URL."""
    row = await bundled().whose_endpoint.one(conn, id=endpoint_id)
    return None if row is None else Owner(*row)


async def endpoint_for_test(conn: Connection, endpoint_id: int) -> Endpoint | None:
    """An endpoint as a push needs it."""
    row = await bundled().endpoint_for_test.one(conn, id=endpoint_id)
    return None if row is None else Endpoint(*row)


async def set_price(
    conn: Connection, *, account: str, sender: str, price: str | None, currency: str | None
) -> bool:
    """Set what a delivered message of a sender costs; False if there is no such sender."""
    count = await bundled().set_price.exec(
        conn, account=account, sender=sender, price=price, currency=currency
    )
    return count > 0


def _statuses() -> Sequence[int]:
    return sorted(STATUSES)
