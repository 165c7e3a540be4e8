"""Stage 1, for a bulk that comes in chunks: each is on disk before the next is read.

Until its last line has come nothing of it is sent or reported: the bulk is not open. One small
update opens it. One that breaks off or is refused is marked, and removed in the background.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from linegate.accept.accepted import Accepted, BulkIdTaken, Full
from linegate.accept.room import Wanted, count_in, fit, hold
from linegate.accept.rows import window_text
from linegate.domain.bulk import Bulk, MessageObject, Rejection
from linegate.domain.ids import IdMaker, lane_of, public_id
from linegate.domain.policy import Room
from linegate.postgres.bulks import claim_client_ids
from linegate.postgres.importing import (
    ImportTrack,
    NewMessage,
    begin_import,
    fail_import,
    import_messages,
    import_object,
    import_tracks,
    open_import,
    touch_import,
)
from linegate.postgres.pool import Connection, Pool, transaction

__all__ = ["Importer", "Importing"]


@dataclass(slots=True)
class Importing:
    """A bulk while it comes in.

    room:    where its messages wait; that of its first chunk.
    objects: message objects by what makes them differ; tracks: by object, zone and end.
    """

    bulk_id: int
    account_id: int
    client_id: str | None
    room: Room | None = None
    messages: int = 0
    rejected: int = 0
    duplicates: int = 0
    objects: dict[tuple[str, bool], int] = field(default_factory=dict)
    tracks: dict[tuple[int, str, Rejection | None], int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The bulkId as the client sees it."""
        return self.client_id or public_id(self.bulk_id)


class Importer:
    """Writes bulks that come in chunks."""

    def __init__(self, pool: Pool, ids: IdMaker) -> None:
        """Write over `pool`."""
        self._pool = pool
        self._ids = ids

    async def begin(self, bulk: Bulk, now: datetime) -> Importing | BulkIdTaken:
        """Begin a bulk with the schedule and name of its first chunk, which is not written."""
        (bulk_id,) = self._ids.block(1, now)
        async with transaction(self._pool) as conn:
            if bulk.client_id is not None:
                asked = [(bulk.account_id, bulk.client_id, bulk_id)]
                if not await claim_client_ids(conn, "bulk", asked):
                    return BulkIdTaken()
            await begin_import(
                conn,
                bulk_id=bulk_id,
                account_id=bulk.account_id,
                client_id=bulk.client_id,
                send_at=max(bulk.schedule.send_at or now, now),
                pace=bulk.schedule.pace,
                now=now,
            )
        return Importing(bulk_id, bulk.account_id, bulk.client_id)

    async def add(
        self, importing: Importing, part: MessageObject, room: Room, now: datetime
    ) -> Accepted | Full | None:
        """Write a chunk; None if the import was given up meanwhile.

        Messages whose messageId was used before are not taken: `duplicates` has their positions.
        """
        lane = lane_of(importing.bulk_id)
        ids = self._ids.block(len(part.destinations), now, lane=lane)
        room = importing.room = importing.room or room
        wanted = Wanted(importing.account_id, room, len(ids) - len(part.rejections), len(ids))
        async with transaction(self._pool) as conn:
            if full := fit({0: wanted}, await hold(conn, [wanted])):
                return full[0]
            duplicates = await _duplicates(conn, importing.account_id, part, ids)
            object_id = await self._object(conn, importing, part, room, now)
            messages, tracks = self._placed(importing, part, object_id, ids, duplicates, now)
            if messages:
                await import_messages(conn, object_id, messages)
                await import_tracks(
                    conn,
                    part,
                    tracks,
                    bulk_id=importing.bulk_id,
                    object_id=object_id,
                    account_id=importing.account_id,
                )
            last_id = max(ids[-1], object_id)  # searches find both by the bulk's range of ids
            alive = await touch_import(
                conn, importing.bulk_id, messages=len(messages), last_id=last_id, now=now
            )
            await count_in(conn, [replace(wanted, written=len(messages))])
        if not alive:
            return None
        importing.messages += len(messages)
        importing.rejected += len(part.rejections.keys() - duplicates)
        importing.duplicates += len(duplicates)
        return Accepted(importing.name, [], frozenset(duplicates))

    async def open(self, importing: Importing, now: datetime) -> bool:
        """Let the bulk go: from now on it is as any other; False if it was given up meanwhile."""
        async with self._pool.acquire() as conn:
            return await open_import(conn, importing.bulk_id, now=now) is not None

    async def fail(self, importing: Importing, reason: str, now: datetime) -> None:
        """Refuse all of it."""
        async with self._pool.acquire() as conn:
            await fail_import(conn, importing.bulk_id, reason=reason, now=now)

    async def _object(
        self,
        conn: Connection,
        importing: Importing,
        part: MessageObject,
        room: Room,
        now: datetime,
    ) -> int:
        """The message object of a chunk. Chunks share it unless their contents differ, as those
        of a template do whose placeholders some destinations of a chunk set and others do not."""
        key = part.line_message, part.placeholders is not None
        known = importing.objects.get(key)
        if known is not None:
            return known
        (id_,) = self._ids.block(1, now, lane=lane_of(importing.bulk_id))
        await import_object(
            conn,
            part,
            id_=id_,
            bulk_id=importing.bulk_id,
            account_id=importing.account_id,
            window=window_text(part),
            room=room,
        )
        importing.objects[key] = id_
        return id_

    def _placed(
        self,
        importing: Importing,
        part: MessageObject,
        object_id: int,
        ids: Sequence[int],
        duplicates: set[int],
        now: datetime,
    ) -> tuple[list[NewMessage], list[ImportTrack]]:
        """Each message in its track; what each track gets."""
        placed: dict[int, ImportTrack] = {}
        messages = []
        for at, id_ in enumerate(ids):
            if at in duplicates:
                continue
            zone = part.zones if isinstance(part.zones, str) else part.zones[at]
            end = part.rejections.get(at)
            track_id = self._track(importing, (object_id, zone, end), now)
            before = placed.get(track_id)
            placed[track_id] = ImportTrack(
                track_id,
                zone,
                id_,
                before.messages + 1 if before else 1,
                end.status if end else None,
                end.error if end else None,
            )
            placeholders = part.placeholders[at] if part.placeholders else None
            destination, client_id = part.destinations[at], part.client_ids[at]
            messages.append(NewMessage(id_, destination, client_id, track_id, placeholders))
        return messages, list(placed.values())

    def _track(
        self, importing: Importing, key: tuple[int, str, Rejection | None], now: datetime
    ) -> int:
        known = importing.tracks.get(key)
        if known is None:
            (known,) = self._ids.block(1, now, lane=lane_of(importing.bulk_id))
            importing.tracks[key] = known
        return known


async def _duplicates(
    conn: Connection, account_id: int, part: MessageObject, ids: Sequence[int]
) -> set[int]:
    """Positions of messages whose messageId was used before."""
    asked = [
        (account_id, name, id_)
        for name, id_ in zip(part.client_ids, ids, strict=True)
        if name is not None
    ]
    if not asked:
        return set()
    free = await claim_client_ids(conn, "message", asked)
    taken = {id_ for _, _, id_ in asked} - free
    return {at for at, id_ in enumerate(ids) if id_ in taken} if taken else set()
