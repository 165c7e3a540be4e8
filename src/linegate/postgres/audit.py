"""The audit log: who changed what. The triggers of the configuration's tables write it.

What is said to bulks, deliveries and the like is in tables that no trigger watches: who says it
notes it.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from linegate.postgres.pool import Connection, Pool, transaction
from linegate.postgres.queries import bundled

__all__ = ["By", "Change", "acting", "list_audit", "note_change"]

_NEWEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Change:
    """One change. changes: column -> [before, after]; secrets are withheld."""

    id: int
    at: datetime
    account: str | None
    actor: str
    action: str
    kind: str
    subject: str
    changes: dict[str, list[object]]


@dataclass(frozen=True, slots=True)
class By:
    """Who says something, as the audit log names them, and when."""

    actor: str
    now: datetime


@asynccontextmanager
async def acting(pool: Pool, actor: str) -> AsyncIterator[Connection]:
    """A transaction whose changes the audit log puts down to `actor`."""
    async with transaction(pool) as conn:
        await bundled().act_as.exec(conn, actor=actor)
        yield conn


async def note_change(
    conn: Connection,
    *,
    account_id: int,
    actor: str,
    kind: str,
    subject: str,
    changes: Mapping[str, list[object]],
    now: datetime,
) -> None:
    """Write into the audit log what no trigger watches; changes: name -> [before, after]."""
    await bundled().note_change.exec(
        conn,
        account_id=account_id,
        actor=actor,
        kind=kind,
        subject=subject,
        changes=json.dumps(changes),
        now=now,
    )


async def list_audit(
    conn: Connection, *, account_id: int | None, limit: int, before: int | None = None
) -> list[Change]:
    """The newest changes first, of one account or of all; before: an id, to go on from."""
    rows = await bundled().list_audit.many(
        conn, account_id=account_id, limit=limit, before=_NEWEST if before is None else before
    )
    return [
        Change(id_, at, account, actor, action, kind, subject, json.loads(changes))
        for id_, at, account, actor, action, kind, subject, changes in rows
    ]
