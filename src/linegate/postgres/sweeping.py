"""Queries that find messages whose patience or validity is over, or whose worker died."""

from datetime import datetime
from typing import Any

from linegate.domain.decide import State, Unfinished
from linegate.low_water import BEGINNING
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = ["take_impatient", "take_overdue"]


async def take_impatient(
    conn: Connection, *, limit: int, now: datetime, since: datetime = BEGINNING
) -> list[tuple[Unfinished, State]]:
    """Messages that waited long enough in `sending`, `sent` or `unknown`; locked.

    since: look at times behind this instant.
    """
    rows = await bundled().take_impatient.many(conn, limit=limit, since=since, now=now)
    return [_waiting(*row) for row in rows]


async def take_overdue(
    conn: Connection, *, limit: int, now: datetime, since: datetime = BEGINNING
) -> list[tuple[Unfinished, State]]:
    """Due messages whose validity has run out; locked.

    since: look at deadlines behind this instant.
    """
    rows = await bundled().take_overdue.many(conn, limit=limit, since=since, now=now)
    return [_waiting(*row) for row in rows]


def _waiting(*row: Any) -> tuple[Unfinished, State]:
    """A row of take_impatient or take_overdue: what is decided about, and its step."""
    *facts, step = row
    return Unfinished(*facts), State(step)
