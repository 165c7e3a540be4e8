"""Queries about LINE's calls that go on to a bot."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "DueRelay",
    "claim_relays",
    "defer_relay",
    "end_relay",
    "forget_relays",
    "insert_relay",
]


class DueRelay(NamedTuple):
    """A leased call: body and signature as LINE sent them. tries: this one counted."""

    id: int
    sender_id: int
    url: str
    body: bytes
    signature: str
    received_at: datetime
    tries: int


async def insert_relay(
    conn: Connection, *, sender_id: int, body: bytes, signature: str, now: datetime
) -> None:
    """Keep a call for the bot."""
    await bundled().insert_relay.exec(
        conn, sender_id=sender_id, body=body, signature=signature, now=now
    )


async def claim_relays(
    conn: Connection,
    *,
    busy: Sequence[int],
    each: int,
    limit: int,
    lease_until: datetime,
    now: datetime,
) -> list[DueRelay]:
    """Lease at most `limit` due calls, at most `each` of a sender, none of busy senders."""
    rows = await bundled().claim_relays.many(
        conn, busy=busy, each=each, limit=limit, lease_until=lease_until, now=now
    )
    return [DueRelay(*row) for row in rows]


async def end_relay(conn: Connection, relay_id: int) -> None:
    """Forget a call."""
    await bundled().end_relay.exec(conn, id=relay_id)


async def defer_relay(conn: Connection, relay: DueRelay, *, due_at: datetime) -> None:
    """Let a call be tried again from `due_at` on, unless somebody else has its lease by now."""
    await bundled().defer_relay.exec(conn, id=relay.id, tries=relay.tries, due_at=due_at)


async def forget_relays(conn: Connection, *, expired: datetime, limit: int) -> int:
    """Remove calls received until `expired`, oldest first; gives how many."""
    return await bundled().forget_relays.exec(conn, expired=expired, limit=limit)
