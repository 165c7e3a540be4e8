"""Queries about suspended accounts."""

from datetime import datetime, timedelta
from typing import NamedTuple

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "Suspension",
    "end_suspension",
    "list_suspended",
    "mark_parked",
    "park_due",
    "resume_account",
    "suspend_account",
    "unpark",
]


class Suspension(NamedTuple):
    """An account that is suspended, or was and still has something parked."""

    account_id: int
    suspended_at: datetime | None
    parked_since: datetime | None
    resumed_at: datetime | None

    @property
    def lasted(self) -> timedelta:
        """How much validity the suspension took; 0 while it goes on."""
        if self.parked_since is None or self.resumed_at is None:
            return timedelta(0)
        return self.resumed_at - self.parked_since


async def suspend_account(conn: Connection, account_id: int, *, now: datetime) -> bool:
    """Stop an account; False if it is suspended already."""
    found = await bundled().suspend_account.value(conn, account_id=account_id, now=now)
    return found is not None


async def resume_account(conn: Connection, account_id: int, *, now: datetime) -> bool:
    """Let an account go on; False if it is not suspended."""
    found = await bundled().resume_account.value(conn, account_id=account_id, now=now)
    return found is not None


async def list_suspended(conn: Connection) -> list[Suspension]:
    """Accounts of which something is or may have to be parked."""
    return [Suspension(*row) for row in await bundled().list_suspended.many(conn)]


async def mark_parked(conn: Connection, account_id: int) -> None:
    """Keep from when on things are parked."""
    await bundled().mark_parked.exec(conn, account_id=account_id)


async def park_due(conn: Connection, account_id: int, *, limit: int) -> int:
    """Park at most `limit` due messages of each leg; gives how many."""
    parked = await bundled().park_due.exec(conn, account_id=account_id, limit=limit)
    return parked + await bundled().park_sms.exec(conn, account_id=account_id, limit=limit)


async def unpark(
    conn: Connection, account_id: int, *, shift: timedelta, limit: int, now: datetime
) -> int:
    """Let at most `limit` parked messages of each leg go on; gives how many."""
    moved = await bundled().unpark.exec(
        conn, account_id=account_id, shift=shift, limit=limit, now=now
    )
    return moved + await bundled().unpark_sms.exec(
        conn, account_id=account_id, shift=shift, limit=limit, now=now
    )


async def end_suspension(
    conn: Connection, account_id: int, *, shift: timedelta, now: datetime
) -> None:
    """Nothing is parked any more: bulks go on too."""
    await bundled().end_suspension.exec(conn, account_id=account_id, shift=shift, now=now)
