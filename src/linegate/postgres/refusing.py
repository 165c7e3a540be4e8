"""Queries of contents that LINE refuses whoever they go to."""

from datetime import datetime

from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = ["hold_object"]


async def hold_object(
    conn: Connection, object_id: int, sender_id: int, *, reason: str, now: datetime
) -> int:
    """Stop a message object and park what is due of it; gives how many messages that was."""
    await bundled().hold_object.exec(
        conn, object_id=object_id, sender_id=sender_id, reason=reason, now=now
    )
    return await bundled().park_object.exec(conn, object_id=object_id)
