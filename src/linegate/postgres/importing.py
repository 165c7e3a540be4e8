"""Queries of imports: bulks that come in chunks."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from linegate.domain.bulk import MessageObject
from linegate.domain.pace import Pace
from linegate.domain.policy import Room
from linegate.postgres.pool import Connection
from linegate.postgres.queries import bundled

__all__ = [
    "ImportTrack",
    "NewMessage",
    "abandoned_imports",
    "begin_import",
    "fail_import",
    "failed_imports",
    "import_messages",
    "import_object",
    "import_tracks",
    "open_import",
    "remove_import",
    "remove_messages",
    "touch_import",
]


class NewMessage(NamedTuple):
    """One destination of a chunk."""

    id: int
    destination: str
    client_id: str | None
    track_id: int
    placeholders: str | None


class ImportTrack(NamedTuple):
    """What a chunk adds to a track. end_*: how its messages end, if they cannot be sent to."""

    id: int
    zone: str
    last_id: int
    messages: int
    end_status: int | None
    end_error: int | None


async def begin_import(
    conn: Connection,
    *,
    bulk_id: int,
    account_id: int,
    client_id: str | None,
    send_at: datetime,
    pace: Pace | None,
    now: datetime,
) -> None:
    """Begin a bulk that is not open."""
    await bundled().begin_import.exec(
        conn,
        bulk_id=bulk_id,
        account_id=account_id,
        client_id=client_id,
        send_at=send_at,
        pace_amount=pace.amount if pace else None,
        pace_unit=pace.unit if pace else None,
        now=now,
    )


async def import_object(
    conn: Connection,
    part: MessageObject,
    *,
    id_: int,
    bulk_id: int,
    account_id: int,
    window: str | None,
    room: Room,
) -> None:
    """Write a message object. window: as JSON."""
    await bundled().import_object.exec(
        conn,
        id=id_,
        bulk_id=bulk_id,
        account_id=account_id,
        sender_id=part.sender_id,
        templated=part.templated,
        line_message=part.line_message,
        entity_id=part.entity_id,
        application_id=part.application_id,
        campaign=part.campaign,
        callback_data=part.callback_data,
        validity=part.validity,
        delivery_window=window,
        sms_failover=part.sms_failover,
        intermediate=part.intermediate,
        template_version=part.template_version,
        personal=part.placeholders is not None,
        key_id=room.key_id,
        counted=room.is_limited,
    )


async def import_messages(conn: Connection, object_id: int, messages: Sequence[NewMessage]) -> None:
    """Write a chunk of messages of one object."""
    await bundled().import_messages.exec(
        conn,
        object_id=object_id,
        ids=[each.id for each in messages],
        destinations=[each.destination for each in messages],
        client_ids=[each.client_id for each in messages],
        track_ids=[each.track_id for each in messages],
        placeholders=[each.placeholders for each in messages],
    )


async def import_tracks(
    conn: Connection,
    part: MessageObject,
    tracks: Sequence[ImportTrack],
    *,
    bulk_id: int,
    object_id: int,
    account_id: int,
) -> None:
    """Begin or lengthen the tracks that a chunk's messages wait in."""
    window = part.window
    await bundled().import_tracks.exec(
        conn,
        bulk_id=bulk_id,
        object_id=object_id,
        account_id=account_id,
        sender_id=part.sender_id,
        endpoint_id=part.endpoint_id,
        validity=part.validity,
        days="{" + ",".join(map(str, window.days)) + "}" if window else None,
        opens=window.opens if window else None,
        closes=window.closes if window else None,
        ids=[each.id for each in tracks],
        zones=[each.zone for each in tracks],
        last_ids=[each.last_id for each in tracks],
        counts=[each.messages for each in tracks],
        end_statuses=[each.end_status for each in tracks],
        end_errors=[each.end_error for each in tracks],
    )


async def touch_import(
    conn: Connection, bulk_id: int, *, messages: int, last_id: int, now: datetime
) -> bool:
    """The import goes on, with so many more messages; False if it was given up meanwhile."""
    touched = await bundled().touch_import.exec(
        conn, bulk_id=bulk_id, messages=messages, last_id=last_id, now=now
    )
    return touched == 1


async def open_import(conn: Connection, bulk_id: int, *, now: datetime) -> int | None:
    """Let the bulk go; gives how many messages it has, None if it was given up meanwhile."""
    rows = await bundled().open_import.many(conn, bulk_id=bulk_id, now=now)
    return rows[0]["messages"] if rows else None


async def fail_import(conn: Connection, bulk_id: int, *, reason: str, now: datetime) -> None:
    """Nothing of it will be sent."""
    await bundled().fail_import.exec(conn, bulk_id=bulk_id, reason=reason, now=now)


async def abandoned_imports(conn: Connection, *, before: datetime, limit: int) -> list[int]:
    """Imports that have not gone on since `before`."""
    rows = await bundled().abandoned_imports.many(conn, before=before, limit=limit)
    return [row["bulk_id"] for row in rows]


async def failed_imports(conn: Connection, *, limit: int) -> list[tuple[int, int]]:
    """Failed imports that are still to be removed, with their last message."""
    rows = await bundled().failed_imports.many(conn, limit=limit)
    return [(row["bulk_id"], row["last_id"]) for row in rows]


async def remove_messages(conn: Connection, bulk_id: int, last_id: int, *, limit: int) -> int:
    """Remove at most `limit` messages of a failed import; gives how many."""
    rows = await bundled().remove_messages.many(conn, bulk_id=bulk_id, last_id=last_id, limit=limit)
    return len(rows)


async def remove_import(conn: Connection, bulk_id: int, *, now: datetime) -> None:
    """Remove what is left of a failed import but its row."""
    await bundled().remove_import.exec(conn, bulk_id=bulk_id, now=now)
