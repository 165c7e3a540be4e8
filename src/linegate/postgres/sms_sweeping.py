"""Queries that find SMS legs whose time is over, and messages that an SMS must take over."""

from datetime import datetime

from linegate.domain.decide import Unfinished
from linegate.domain.decide_sms import SmsUnfinished
from linegate.low_water import BEGINNING
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = ["take_broken", "take_impatient_sms", "take_overdue_sms"]


async def take_broken(conn: Connection, *, before: datetime, limit: int) -> list[Unfinished]:
    """Due messages of senders that have been refused since `before`, with an SMS; locked."""
    rows = await bundled().take_broken.many(conn, before=before, limit=limit)
    return [Unfinished(*row) for row in rows]


async def take_impatient_sms(
    conn: Connection, *, limit: int, now: datetime, since: datetime = BEGINNING
) -> list[tuple[SmsUnfinished, str]]:
    """Legs whose worker died (`sending`) or that got no receipt in time (`sent`); locked."""
    rows = await bundled().take_impatient_sms.many(conn, limit=limit, since=since, now=now)
    return [(SmsUnfinished(*tuple(row)[:6]), row["step"]) for row in rows]


async def take_overdue_sms(
    conn: Connection, *, limit: int, now: datetime, since: datetime = BEGINNING
) -> list[SmsUnfinished]:
    """Due legs whose validity is over; locked."""
    rows = await bundled().take_overdue_sms.many(conn, limit=limit, since=since, now=now)
    return [SmsUnfinished(*row) for row in rows]
